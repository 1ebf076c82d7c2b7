"""REFORMS: what science that rests on machine learning should report. The items by number, in words of our own."""

from budwood.report.checklists import figures, photos, splits, training
from budwood.report.checklists.item import Checklist, Item, Section

REFORMS = Checklist(
    name="reforms",
    title="REFORMS",
    source=(
        "Kapoor, Cantrell, Peng et al. (2024). REFORMS: Consensus-based Recommendations for Machine-learning-based "
        "Science. Science Advances 10(18), eadk3452"
    ),
    doi="10.1126/sciadv.adk3452",
    sections=(
        Section(
            "1. Study goals",
            (
                Item(
                    "1a",
                    "Population",
                    "Of which photos, taken where, when and of what, do you claim something?",
                ),
                Item("1b", "Why this population", "Why these, and not others?"),
                Item(
                    "1c",
                    "Why machine learning",
                    "What does a learned model do for your question that a simpler way does not?",
                ),
            ),
        ),
        Section(
            "2. Computational reproducibility",
            (
                Item(
                    "2a",
                    "Data set",
                    "",
                    photos.dataset,
                    "a permanent link or DOI of this version of the data, and its licence.",
                ),
                Item(
                    "2b",
                    "Code",
                    "",
                    training.code,
                    "a link or DOI of this version of Budwood, and of any code of your own before or after it.",
                ),
                Item(
                    "2c",
                    "Computing infrastructure",
                    "On which processor, with how much memory, under which system was it computed?",
                    training.infrastructure,
                ),
                Item(
                    "2d",
                    "Instructions",
                    "",
                    training.instructions,
                    "a README where you publish the data and the run.",
                ),
                Item(
                    "2e",
                    "One script for all results",
                    "",
                    training.script,
                    "whatever else your paper shows that is not of this run.",
                ),
            ),
        ),
        Section(
            "3. Data quality",
            (
                Item(
                    "3a",
                    "Sources and labels",
                    "Where and when were the photos taken, who labelled them by which rule, and is that documented?",
                    photos.source,
                ),
                Item(
                    "3b",
                    "Sampling frame",
                    "From which set were these photos drawn, and how: at random, all of them, those at hand?",
                ),
                Item(
                    "3c",
                    "Why these data suit the task",
                    "Why can your question be answered with these photos?",
                ),
                Item(
                    "3d",
                    "Outcome",
                    "What exactly is predicted, and how often does each label occur?",
                    photos.outcome,
                    "what makes a photo one of each class.",
                ),
                Item(
                    "3e",
                    "Sample size",
                    "",
                    photos.counts,
                    "how many individuals, places or occasions the photos are of, where several are of one.",
                ),
                Item("3f", "Missing data", "", photos.missing),
                Item(
                    "3g",
                    "How representative the data are",
                    "Why do these photos stand for those of 1a, and in what do they not?",
                ),
            ),
        ),
        Section(
            "4. Data preprocessing",
            (
                Item(
                    "4a",
                    "Excluded samples",
                    "",
                    photos.excluded,
                    "what was sorted out before the photos reached Budwood, and why.",
                ),
                Item("4b", "Impossible or corrupt samples", "", photos.unreadable),
                Item(
                    "4c",
                    "Transformations",
                    "",
                    photos.transformations,
                    "what was done to the photos before Budwood read them.",
                ),
            ),
        ),
        Section(
            "5. Modeling",
            (
                Item(
                    "5a",
                    "Models",
                    "",
                    training.model,
                    "models that your paper tells of and that are not in this run.",
                ),
                Item(
                    "5b",
                    "Why this kind of model",
                    "Why a network trained from the beginning, for these photos?",
                    training.why_model,
                    "why this network and no other, if you had a reason or compared some.",
                ),
                Item("5c", "How it was evaluated", "", splits.division),
                Item(
                    "5d",
                    "How the model was selected",
                    "",
                    training.selection,
                    "what you chose among several runs, and by what.",
                ),
                Item(
                    "5e",
                    "Hyperparameters",
                    "",
                    training.tuning,
                    "where the other settings come from, and whether you tried some.",
                ),
                Item(
                    "5f",
                    "Baselines",
                    "",
                    figures.baselines,
                    "other baselines of your field, tuned with the same care.",
                ),
            ),
        ),
        Section(
            "6. Data leakage",
            (
                Item(
                    "6a",
                    "Training data alone decide",
                    "Which photos chose nothing, here and in runs before, and what are the figures on them?",
                    splits.training_only,
                    "whether pretraining may have seen your test photos, and whether test figures of earlier runs "
                    "led to this one.",
                ),
                Item(
                    "6b",
                    "Dependencies and duplicates",
                    "",
                    splits.independence,
                    "whether photos share what Budwood cannot see, such as a person, a site or a day.",
                ),
                Item(
                    "6c",
                    "Legitimate inputs",
                    "",
                    photos.input_only,
                    "whether something in the pictures gives the class away, such as a stamp, a ruler or a background.",
                ),
            ),
        ),
        Section(
            "7. Metrics and uncertainty",
            (
                Item(
                    "7a",
                    "Metrics",
                    "",
                    figures.metrics,
                    "why the figure that you lead with fits your question.",
                ),
                Item(
                    "7b",
                    "Uncertainty",
                    "",
                    figures.uncertainty,
                ),
                Item("7c", "Statistical tests", "", figures.tests),
            ),
        ),
        Section(
            "8. Generalizability and limitations",
            (
                Item(
                    "8a",
                    "External validity",
                    "What speaks for the figures beyond these photos: another place, another camera, another year?",
                    figures.external,
                ),
                Item(
                    "8b",
                    "Where it need not hold",
                    "",
                    figures.limits,
                    "what you know of these photos that sets them apart; budwood evaluate RUN DATA --by COLUMN and "
                    "--prevalence measure parts of them, and other shares of the classes.",
                ),
            ),
        ),
    ),
)
