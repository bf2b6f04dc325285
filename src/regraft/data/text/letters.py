"""How common characters are in running text, by language: what a guess at the encoding of a text rests on.

Counted once over dictionaries with word frequencies and over reviews; rounded hard, since only orders of magnitude
matter.
"""

from __future__ import annotations

LATIN = {
    "en": ("éèïçñüöâêôñ", 0), "de": ("üäöß", 0), "fr": ("éàèêçôâîùûœïëü", 0), "es": ("óíáéñúü", 0),
    "it": ("èàùòéì", 0), "pt": ("ãéçáíêóúõàâô", 0), "nl": ("éëïèóöü", 1), "sv": ("äåöé", 0), "da": ("åæøé", 0),
    "fi": ("äö", 0), "is": ("ðíáþóæöúéý", 4), "ca": ("éóàíèòçúïü", 2), "pl": ("łężąóśćńź", 0),
    "cs": ("íáěžřéčšýůúňďťó", 0), "sk": ("ážčýíšéúťľôďňóäĺŕ", 1), "hu": ("éáöóőüíúű", 0),
    "ro": ("ăîâșțşţ", 1), "hr": ("ščžćđ", 0), "lv": ("āīēšūņļžķģč", 1), "lt": ("ėųšžąįūčę", 0),
    "et": ("äõüöšž", 1), "tr": ("ıüşçğöİâî", 0), "vi": ("đàưáôếạóộêảệốấớờủểâìợềậịầơíọựở", 0),
}  # fmt: skip
"""The letters beyond a to z, commonest first, and by how many bits the language is rarer than others."""

A_TO_Z = {
    "en": "etaoinsrhldcumfgypwbvkjxzq", "de": "enirstadhulcmgobfwkzvpjyxq", "fr": "esanitruoldcpmvqfgbhjxyzkw",
    "es": "eaosnrildtcumpbgqyvhfjzxkw", "it": "eiaontrlscdupmgvhfbzqkywxj", "pt": "aeosridnmtuclpvgqfbhzjxykw",
    "nl": "enaitordslghvmkujwbpzcfyxq", "sv": "aetrnisldomgkvhfupbcjyxwzq", "da": "erntdaislogkmvfhubpjycwxzq",
    "fi": "aitnesolkumvrjhpydgbcfwxzq", "is": "arniestlgumkfovhdjybpcwxzq", "ca": "easlrintoducmpvbgqfhxjyzkw",
    "pl": "aieozntswrcydkmpjlubghfvxq", "cs": "eoantsilvdkmrpujchzybfgxwq", "sk": "oaenitsrvklmdpujchzbyfgxwq",
    "hu": "eatnlsikmozrgydvbhjpucfwxq", "ro": "eairntuclosdpmfvbgzhjxykwq", "hr": "aoienjsrutdkvmlpzgbchfywxq",
    "lv": "aisterunkmovldpjzbgcfhwyxq", "lt": "iasoterunkmlpdvjgbyczfhxwq", "et": "aeisltumnkrdovgphjbfcwyxzq",
    "tr": "aeinrlkdmtsyuobzgvhcpfjwxq", "vi": "nhtcigaumolvrybpskdeqxwfjz",
}  # fmt: skip
"""Letters without marks, commonest first."""

ALPHABETS = {
    "ru": "оеаинтсрвлкмдпуяыьгбзчйжхшюцщэфёъ", "uk": "оаніивтерскудлмпзяьбгйчцхжїюшщєфґ’",
    "bg": "аоеитнсврдклмпзяъгбчущжйцхшфюь", "sr": "аиоенјртсвукмдпзлгбчшцжњћђфхљџѓќѕ",
    "be": "аніоеярсктлдўвупмзыгбьчйцшэжхюёф",
    "el": "ατοσιενρπκμηυλίάόέγδωήχθύφώβξζψςϊϋΐΰ", "he": "יוהלאתרבמשנעםדכחקפסגןצזטךףץ",
    "ar": "اليمنورتعبدةهفكسأقحجىشصطخذإضثزغئءظآؤ،؟", "fa": "ایرندهومبتسکشلزفخگعقجحپآچطص\u200cضغظذثئك،؟",
    "th": "านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถธณศฐภษฝฉฮัี่้ิ์็ุูืึำๆ",
}  # fmt: skip
"""The lower-case letters of other alphabets, commonest first."""

HIRAGANA = (
    "のいてなにたしでるとはがかっをすもらうんれまだこりくあよさけきそやおどえわちつねじせみめろばゃずょごげへびほぎべ"
)
KATAKANA = (
    "ーンスイトッルラリアクタドレロシマジフプカバテコキサメグニオデパチムビエナウツダミセモブハネズゴペヨポソケガ"
)
KANJI = (
    "人日大本出見一分時事中言思年行間気生自方上会子今前者的入月手国作合来何女全最無場動用目後発学話定当理高感性部地回新画使"
    "下実私物体知通力家同名対度業良多持開代金意内長関変所数戦要外社以取化明現食法結心世不好成俺楽味考能小立機書初面期少様田"
    "付違先員車山市解問連報近安番記加公売仕神教界特主表信東品電聞選終題悪必正二強男続真死道料決語他可野確文相美情水向切愛身"
    "受円集別始達彼元在活買着重三引位過有次海保経送点原利調制万白式第屋限設民直起待勝組得果店込運色放県指約流予置認読状参京"
    "政川応音誰口校島系残件産配天平想進常計素優欲由空議説際像風落士止然足単伝映線消早務演声格友係反殺質夫頭葉木和飲北乗供治"
)
HANGUL = (
    "이다는에하고가을지의로서은아한어도기사니있를나해리시그요인들자일게대라으스수만보제면정주전부여거과장했상안트마구었데오야"
    "내원우신적것성국되세위와무할동생소드모미진문중말화공까러비습간없분조저입개터유계치월같경회선년때연실바음관용더명학네영교당"
    "작좋방려않합래발건된단재며각운금람행남물알차등통번르던두타후프겠체크랑식히너산역버임호포예결반잘님함심속업본레파직디감처"
    "런카못노았군받배매출양표피살든많른법달난집민설였최형또불력키천걸강날울테싶청루종언약애점워토추준질외근태올참격렇름초늘권"
    "온린따록목복새료편능열판별맞변메머티항필왜술누절확느특먹줄평씨럼브길급란돌박증송손뭐죽독"
)
HAN_OF_BOTH = (
    "不一是了人的有我好大在很中送到也看上就以子他要小道多吃和可太年地得下出能都你生家情那部分自影面然餐天度心片真成之去但而"
    "想事最本次主全只行味用作等感如外快其前方起定民什法意又高菜所同才少力三演明打常完果比肉理女特再些美知第代表公日重慢老西"
    "工量市差新已文口十手己被直相水因把政加正半此她北性非合名喜平物回做原二者化死怎身通更制速各候南山白服米建放海品般月院安"
    "位像接故世星活望路入百及由期色城笑使系且解受超包任角提武神配向至元今男每眼清立或四花利教段金王整反先走石治它流算基失哥"
    "命啊信光技改跟取豆五根科商便江始展挺形省越何社思式首份深界湖委油格保目管吧程精拉共容拍料辣近集店斯青交土卷值司京收史足"
)
HAN_SIMPLIFIED = (
    "个这来时没还为国么点说会后过电里们对发实于给着无学经两长样现种动错开间员觉爱话让当头别业结剧进饭从门东体难与关单产区机"
    "场见军儿内几气务问总应导级战变将欢并装卖题达却数张评订态饼师万马义烂处干带节强价风声凉满计钟记资乐钱汉设华条连认该质边"
    "鸡台类听较论选黄观许线书统热术语历极决虽议报传确众远"
)
HAN_TRADITIONAL = (
    "個這來時沒還為國麼點說會後過電裡們對發實於給著無學經兩長樣現種動錯開間員覺愛話讓當頭別業結劇進飯從門東體難與關單產區機"
    "場見軍兒內幾氣務問總應導級戰變將歡並裝賣題達卻數張評訂態餅師萬馬義爛處幹帶節強價風聲涼滿計鐘記資樂錢漢設華條連認該質邊"
    "雞臺台類聽較論選黃觀許線書統熱術語歷極決雖議報傳確眾遠麗讀寫買車週貓"
)
