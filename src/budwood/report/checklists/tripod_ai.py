"""TRIPOD+AI: what studies of clinical prediction models should report. The items by number, in words of our own."""

from budwood.report.checklists import figures, photos, splits, training
from budwood.report.checklists.item import Checklist, Item, Section

_BEFORE = Section(
    "Title and abstract",
    (
        Item(
            "1",
            "Title",
            "Does it say that a prediction model is made or evaluated, for whom, and what it predicts?",
        ),
        Item("2", "Abstract", "Does it follow the list that TRIPOD+AI has for abstracts?"),
    ),
)
_INTRODUCTION = Section(
    "Introduction",
    (
        Item(
            "3a", "Medical context", "Diagnosis or prognosis? Why a new model, and which are there already?"
        ),
        Item("3b", "Patients and users", "For whom, where on the way of care, and who would use it?"),
        Item("3c", "Known inequalities", "Which groups of people are known to be served worse here?"),
        Item("4", "Objectives", "Is a model developed, evaluated, or both?"),
    ),
)
_DATA = Section(
    "Methods: data and participants",
    (
        Item(
            "5a",
            "Sources of data",
            "From where are the data, why these, and how well do they stand for the patients meant?",
            photos.source,
        ),
        Item("5b", "Dates", "From when to when were participants taken in, and followed?"),
        Item("6a", "Setting", "In which care, at how many centres, where?"),
        Item("6b", "Eligibility", "Who could take part?", photos.excluded, is_hint=True),
        Item("6c", "Treatments", "Which treatments were given, and how were they dealt with?"),
        Item(
            "7",
            "Data preparation",
            "",
            photos.transformations,
            "quality checks before that, and whether they were the same for all groups of people.",
        ),
    ),
)
_OUTCOME = Section(
    "Methods: outcome and predictors",
    (
        Item(
            "8a",
            "Outcome",
            "What is predicted, over what time, and how was it determined?",
            photos.outcome,
            is_hint=True,
        ),
        Item(
            "8b",
            "Who determined the outcome",
            "Who judged it, with which training, and what people are they?",
        ),
        Item("8c", "Blinding of the outcome", "Did they know what the model is given?"),
        Item(
            "9a",
            "Choice of predictors",
            "",
            photos.input_only,
            "why pictures, and which other predictors were thought of.",
        ),
        Item("9b", "Definition of predictors", "How and when were the pictures taken?", photos.acquisition),
        Item(
            "9c",
            "Who determined the predictors",
            "If somebody chose or framed the pictures: who, with which training, and what people are they?",
        ),
    ),
)
_SIZE = Section(
    "Methods: sample size and missing data",
    (
        Item(
            "10",
            "Sample size",
            "How was the number of participants decided, and is it enough?",
            figures.sample_size,
        ),
        Item("11", "Missing data", "", photos.missing, "what was missing before the photos reached Budwood."),
    ),
)
_ANALYSIS = Section(
    "Methods: analysis",
    (
        Item("12a", "Use of the data", "", splits.division),
        Item("12b", "Handling of predictors", "", photos.transformations),
        Item(
            "12c",
            "Model and how it was built",
            "",
            training.model,
            "what you tried besides, and how the recipe was found.",
        ),
        Item(
            "12d",
            "Differences between clusters",
            "How were hospitals, countries or devices dealt with? budwood evaluate RUN DATA --by COLUMN measures each.",
            figures.clusters,
        ),
        Item(
            "12e",
            "Measures of performance",
            "",
            figures.measures,
            "measures of use, such as net benefit, if any were taken.",
        ),
        Item("12f", "Updating of the model", "", training.updating),
        Item("12g", "How predictions were computed", "", training.prediction),
        Item(
            "13",
            "Class imbalance",
            "How were rare outcomes dealt with?",
            training.imbalance,
            "figures at the shares that the outcomes have in use: budwood evaluate RUN DATA --prevalence.",
        ),
        Item(
            "14",
            "Fairness",
            "What was done so that the model serves all groups of people alike, and why that? budwood evaluate RUN "
            "DATA --by COLUMN shows whether it does.",
        ),
        Item(
            "15",
            "Output of the model",
            "",
            training.output_form,
            "thresholds that would be used in care, and why these.",
        ),
        Item(
            "16",
            "Development and evaluation compared",
            "In what do the evaluated photos differ from those that were learned from?",
            splits.differences,
        ),
        Item(
            "17",
            "Ethical approval",
            "Which committee approved the study, and how was consent given or waived?",
        ),
    ),
)
_OPEN = Section(
    "Open science and involvement",
    (
        Item("18a", "Funding", "Who paid for the study, and what part did they have in it?"),
        Item("18b", "Conflicts of interest", "Which has each author?"),
        Item("18c", "Protocol", "Where is the protocol, or was there none?"),
        Item("18d", "Registration", "Where is the study registered, or is it not?"),
        Item(
            "18e",
            "Data sharing",
            "Who can have the data, where, on what terms?",
            photos.dataset,
            is_hint=True,
        ),
        Item(
            "18f", "Code sharing", "", training.code, "where others find code of your own, and on what terms."
        ),
        Item("19", "Patients and public", "What part had patients and the public in the study, or none?"),
    ),
)
_PARTICIPANTS = Section(
    "Results: participants",
    (
        Item(
            "20a",
            "Flow of participants",
            "How many came in, dropped out and had the outcome?",
            photos.excluded,
            is_hint=True,
        ),
        Item(
            "20b",
            "Who took part",
            "Age, sex, severity and the like, overall and by setting?",
            photos.counts,
            is_hint=True,
        ),
        Item(
            "20c",
            "Development and evaluation side by side",
            "How do predictors and people differ between the two?",
            photos.shares_by_split,
        ),
        Item(
            "21",
            "Numbers in each analysis",
            "",
            photos.counts,
            "the numbers of participants, where several photos are of one.",
        ),
    ),
)
_RESULTS = Section(
    "Results: model and performance",
    (
        Item(
            "22",
            "The whole model",
            "Where can others get all of the model?",
            training.specification,
            "where others find it.",
        ),
        Item(
            "23a",
            "Performance",
            "What are the figures on photos that chose nothing?",
            figures.performance,
            "the same for groups of people that matter: budwood evaluate RUN DATA --by COLUMN.",
        ),
        Item(
            "23b",
            "Differences between clusters",
            "How do the figures differ between hospitals, countries or devices? budwood evaluate RUN DATA --by COLUMN.",
            figures.clusters,
        ),
        Item("24", "Results of updating", "", training.updating),
    ),
)
_DISCUSSION = Section(
    "Discussion",
    (
        Item("25", "Interpretation", "What do the results mean, beside other studies, and for fairness?"),
        Item("26", "Limitations", "What may be wrong or not hold elsewhere?", figures.limits, is_hint=True),
        Item(
            "27a",
            "Poor or missing input",
            "What should be done with a picture that is poor, damaged or missing?",
            figures.poor_input,
            "what users should do with such a picture.",
        ),
        Item(
            "27b",
            "What users must do and know",
            "What do users have to do, and what must they be trained for?",
        ),
        Item(
            "27c",
            "Next steps",
            "What has to be studied before the model can be used, and for whom may it hold?",
        ),
    ),
)
TRIPOD_AI = Checklist(
    name="tripod-ai",
    title="TRIPOD+AI",
    source=(
        "Collins, Moons, Dhiman et al. (2024). TRIPOD+AI statement: updated guidance for reporting clinical prediction "
        "models that use regression or machine learning methods. BMJ 385, e078378"
    ),
    doi="10.1136/bmj-2023-078378",
    sections=(
        *(
            _BEFORE,
            _INTRODUCTION,
            _DATA,
            _OUTCOME,
            _SIZE,
            _ANALYSIS,
            _OPEN,
            _PARTICIPANTS,
            _RESULTS,
            _DISCUSSION,
        ),
    ),
)
