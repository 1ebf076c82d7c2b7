"""CLAIM, update of 2024: what studies of AI in medical imaging should report. By number, in words of our own."""

from budwood.report.checklists import figures, photos, splits, training
from budwood.report.checklists.item import Checklist, Item, Section

_BEFORE = Section(
    "Title and abstract",
    (
        Item(
            "1",
            "The technology named",
            "Do title or abstract say that this is AI, and of which kind?",
            training.model,
            is_hint=True,
        ),
        Item("2", "Summary", "Does the abstract have design, methods, results and conclusions?"),
    ),
)
_INTRODUCTION = Section(
    "Introduction",
    (
        Item("3", "Background and role", "What is known, and what would the model be used for, by whom?"),
        Item("4", "Aims and hypotheses", "What did you set out to find?"),
    ),
)
_DESIGN = Section(
    "Methods: study design",
    (
        Item("5", "Prospective or retrospective", "Were the images gathered for this study, or before it?"),
        Item("6", "Goal of the study", "Is a model made, tested, compared, or its use tried?"),
    ),
)
_DATA = Section(
    "Methods: data",
    (
        Item(
            "7",
            "Sources of data",
            "From which institutions or collections are the images, and can others have them?",
            photos.source,
        ),
        Item(
            "8",
            "Who was included",
            "Which patients or examinations were eligible, where and when?",
            photos.excluded,
            is_hint=True,
        ),
        Item(
            "9",
            "Preprocessing",
            "",
            photos.transformations,
            "what was done to the images before Budwood read them.",
        ),
        Item(
            "10",
            "Subsets that were used",
            "",
            photos.used_part,
            "which series or slices of an examination were taken.",
        ),
        Item("11", "De-identification", "How were the images made anonymous, and how was that checked?"),
        Item(
            "12", "Missing data", "", photos.missing, "which examinations or labels were missing before that."
        ),
        Item(
            "13",
            "Image acquisition",
            "By which devices and protocols were the images made?",
            photos.acquisition,
        ),
    ),
)
_REFERENCE = Section(
    "Methods: reference standard",
    (
        Item(
            "14",
            "How the reference was obtained",
            "What decides the true class of an image?",
            photos.outcome,
            is_hint=True,
        ),
        Item("15", "Why this reference", "Why that standard, and how often is it wrong?"),
        Item("16", "Who labelled", "How many people labelled the images, and what are they trained for?"),
        Item(
            "17",
            "Labels of the test images",
            "How were the test images labelled, by which instructions and software?",
        ),
        Item(
            "18",
            "Agreement of those who labelled",
            "How well do several who labelled agree, and one with themselves?",
        ),
    ),
)
_PARTITIONS = Section(
    "Methods: data partitions",
    (
        Item(
            "19",
            "Assignment to partitions",
            "",
            splits.division,
            "why these shares, and how alike the partitions are.",
        ),
        Item(
            "20",
            "Level at which they are disjoint",
            "",
            splits.independence,
            "whether that level is the patient; if not, train again with --group.",
        ),
    ),
)
_TESTING = Section(
    "Methods: testing data",
    (
        Item(
            "21",
            "Intended sample size",
            "How many test images were wanted, and by which reckoning?",
            figures.sample_size,
        ),
    ),
)
_MODEL = Section(
    "Methods: model",
    (
        Item("22", "The model", "", training.model),
        Item("23", "Software", "With which versions of which packages was it trained?", training.software),
        Item("24", "First weights", "", training.initialization),
    ),
)
_TRAINING = Section(
    "Methods: training",
    (
        Item("25", "How it was trained", "", training.approach),
        Item(
            "26",
            "How the final model was chosen",
            "",
            training.selection,
            "what you chose among several runs, and by what.",
        ),
        Item("27", "Ensembles", "", training.ensemble),
    ),
)
_EVALUATION = Section(
    "Methods: evaluation",
    (
        Item(
            "28",
            "Metrics",
            "",
            figures.metrics,
            "why the figure that you lead with fits the clinical question.",
        ),
        Item("29", "Uncertainty and significance", "", figures.uncertainty),
        Item(
            "30",
            "Robustness",
            "What happens to the figures under other conditions, assumptions or images? budwood evaluate RUN DATA --by "
            "camera and --prevalence measure some.",
            figures.robustness,
        ),
        Item(
            "31",
            "Explainability",
            "If you show why the model answers so (budwood explain): by which method, and how was that checked?",
        ),
        Item(
            "32",
            "Test on internal data",
            "What are the figures on images that chose nothing?",
            figures.internal,
        ),
        Item(
            "33",
            "Test on external data",
            "What are the figures on images of another institution?",
            figures.external,
        ),
        Item("34", "Trial registration", "If this is a clinical trial: where is it registered?"),
    ),
)
_RESULTS = Section(
    "Results: data",
    (
        Item(
            "35",
            "Included and excluded",
            "How many patients and examinations came in and dropped out, and why?",
            photos.excluded,
            "the numbers of patients and examinations, and a diagram of their flow.",
        ),
        Item(
            "36",
            "Who is in each partition",
            "Age, sex, severity and the like of the patients of each partition?",
            photos.counts,
            is_hint=True,
        ),
    ),
)
_PERFORMANCE = Section(
    "Results: performance",
    (
        Item(
            "37",
            "Figures with uncertainty",
            "What are the figures on images that chose nothing?",
            figures.performance,
        ),
        Item(
            "38",
            "Diagnostic performance",
            "What are recall and precision of each class on images that chose nothing?",
            figures.of_classes,
            "predictive values at the prevalence of your patients: budwood evaluate RUN DATA --prevalence.",
        ),
        Item(
            "39",
            "Failures",
            "Which images are misclassified?",
            figures.mistakes,
            "why these images may be misclassified, and what would follow from it.",
        ),
    ),
)
_DISCUSSION = Section(
    "Discussion",
    (
        Item(
            "40",
            "Limitations",
            "What limits the study: its methods, its data, its statistics?",
            figures.limits,
            is_hint=True,
        ),
        Item("41", "What it means for practice", "What is the model for, and what would its use change?"),
    ),
)
_OTHER = Section(
    "Other information",
    (
        Item(
            "42",
            "Protocol and further details",
            "",
            training.details,
            "the protocol of the study, if there is one.",
        ),
        Item(
            "43",
            "Software, model and data",
            "Where can others get the software, the model and the data, and on what terms?",
            training.handing_on,
        ),
        Item("44", "Funding", "Who paid for the study, and what part did they have in it?"),
    ),
)
CLAIM = Checklist(
    name="claim",
    title="CLAIM, 2024 update",
    source=(
        "Tejani, Klontzas, Gatti et al. (2024). Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 "
        "Update. Radiology: Artificial Intelligence 6(4), e240300"
    ),
    doi="10.1148/ryai.240300",
    sections=(
        *(_BEFORE, _INTRODUCTION, _DESIGN, _DATA, _REFERENCE, _PARTITIONS, _TESTING, _MODEL, _TRAINING),
        *(_EVALUATION, _RESULTS, _PERFORMANCE, _DISCUSSION, _OTHER),
    ),
)
