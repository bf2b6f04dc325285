"""Models in the formats of other runtimes, preprocessing inside, proven beside the artefact before they get a name."""
