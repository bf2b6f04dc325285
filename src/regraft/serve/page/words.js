// What the page says, in English and in Chinese, and how it writes numbers.

const WORDS = {
  en: {
    model: "Model", ask: "What to answer", answers: "Answers", answer: "Answer", clear: "Clear", reset: "Empty the form",
    text: "Text", enter: "Ctrl + Enter", dropImage: "Drop pictures here", dropText: "Drop text files here",
    chooseImage: "Choose pictures", chooseText: "Choose text files", paste: "or paste one from the clipboard",
    entry: "This service asks for a token.", wrongEntry: "The service does not know this token.", token: "Token", open: "Open",
    docs: "The same for programs (OpenAPI)", aboutImage: "looks at pictures", aboutText: "reads texts", aboutTable: "reads rows of a table",
    classes: "tells {n} classes apart", labels: "says which of {n} labels are true", number: "gives a number", boxes: "finds {n} kinds of things",
    tasks: "answers {n} questions", missing: "not known", waiting: "Waiting for the answer", busy: "The service is busy; trying again",
    progress: "{done} of {all} answered", failures: "{n} could not be", one: "{name}: {answer}", failed: "Not answered: {why}",
    nothing: "nothing found", none: "none of them", found: "{n} found", unlike: "Unlike the training data", abstain: "Not sure enough: ask a person",
    empty: "The row holds no value", all: "All {n}", interval: "Interval", sigma: "± {n} (one standard deviation)", why: "Why?", hide: "Hide why", whyBox: "Why {label} {score}?",
    of: "Explain", red: "speaks for {label} ({method})", blue: "speaks against it", for: "speaks for {label}", against: "speaks against it",
    rollout: "attention rollout", occlusion: "occlusion", strongest: "Words with the strongest effect (log-odds)", explaining: "Looking for the reason",
    unseen: "The browser cannot show this picture", pasted: "pasted picture", typed: "text", row: "row", gone: "The service does not answer. Is it still running?",
    odd: "The service answered with status {status}.", nothingFor: "This model takes no files: fill in the form.", title: "{name}: regraft",
  },
  zh: {
    model: "模型", ask: "要回答的内容", answers: "结果", answer: "回答", clear: "清空", reset: "清空表单",
    text: "文本", enter: "Ctrl + Enter", dropImage: "将图片拖到这里", dropText: "将文本文件拖到这里",
    chooseImage: "选择图片", chooseText: "选择文本文件", paste: "或从剪贴板粘贴一张",
    entry: "此服务需要访问令牌。", wrongEntry: "服务不接受此令牌。", token: "令牌", open: "进入",
    docs: "程序接口（OpenAPI）", aboutImage: "看图片", aboutText: "读文本", aboutTable: "读表格的行",
    classes: "区分 {n} 个类别", labels: "判断 {n} 个标签中哪些成立", number: "给出一个数值", boxes: "找出 {n} 类物体",
    tasks: "回答 {n} 个问题", missing: "未知", waiting: "等待结果", busy: "服务繁忙，正在重试",
    progress: "已回答 {done} / {all}", failures: "{n} 个失败", one: "{name}：{answer}", failed: "未能回答：{why}",
    nothing: "没有找到", none: "都不是", found: "找到 {n} 个", unlike: "与训练数据不相似", abstain: "把握不足：请人工判断",
    empty: "这一行没有任何值", all: "全部 {n} 个", interval: "区间", sigma: "± {n}（一个标准差）", why: "为什么？", hide: "收起原因", whyBox: "为什么是 {label} {score}？",
    of: "解释", red: "支持 {label}（{method}）", blue: "反对", for: "支持 {label}", against: "反对",
    rollout: "注意力展开", occlusion: "遮挡", strongest: "影响最大的词（对数几率）", explaining: "正在寻找原因",
    unseen: "浏览器无法显示这张图片", pasted: "粘贴的图片", typed: "文本", row: "行", gone: "服务没有响应。它还在运行吗？",
    odd: "服务返回了状态码 {status}。", nothingFor: "此模型不接受文件：请填写表单。", title: "{name}：regraft",
  },
};

export const language = /^zh\b/i.test(navigator.language) ? "zh" : "en";

export const say = (key, facts = {}) => WORDS[language][key].replace(/\{(\w+)\}/g, (_, name) => facts[name]);

export const knows = (key) => key in WORDS[language];

const digits = new Intl.NumberFormat(navigator.language, { maximumSignificantDigits: 5 });
const shares = new Intl.NumberFormat(navigator.language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signed = new Intl.NumberFormat(navigator.language, { signDisplay: "always", minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const number = (value) => digits.format(value);
export const percent = (value) => shares.format(value);
export const effect = (value) => signed.format(value);

/** Puts the page's fixed words into the browser's language. */
export function translate(root) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of root.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
}
