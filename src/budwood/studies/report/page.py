"""report.html of a study: what is best, how sure that is, and what it stands on, in one file without a network."""

from collections.abc import Sequence
from pathlib import Path

from budwood.core.errors import RunError
from budwood.report.headline import Headline, HeadlineNote
from budwood.report.page import environment, write_page
from budwood.studies.figure import ACCURACY
from budwood.studies.records import StudyFolder, StudyRecord
from budwood.studies.report import figures, names, search_figures, sections
from budwood.studies.report.resolved import resolve_recipes
from budwood.studies.results import Results, read_results


def write_study_report(folder: Path, results: Results | None = None) -> Path:
    """Write `report.html` into a study's directory, whole or not at all; also of a study that is under way.

    Args:
        folder: the study's directory.
        results: what it came to, if that was read already.

    Returns:
        The path of the page: one self-contained HTML file.

    Raises:
        RunError: the folder holds no study, or its files are damaged.
    """
    folder = Path(folder)
    try:
        results = results or read_results(folder)
        html = render(results, StudyFolder(folder).read())
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"the files in {folder} do not fit together ({type(error).__name__}: {error}). Copy the study again, or go "
            "on with it by --resume"
        ) from error
    return write_page(folder, html)


def render(results: Results, record: StudyRecord) -> str:
    """Return the page as text.

    Args:
        results: what the study came to.
        record: the content of study.json.
    """
    measured = sum(1 for one in results.summaries if one.complete)
    search = results.search
    pairs, time = sections.pairs(results), figures.figure_by_time(results)
    models, curves = figures.models(results), figures.learning_curves(results)
    course = search_figures.course(search) if search else ""
    lost = [*(["Failed"] if results.failures else []), *(["Pruned"] if results.pruned else [])]
    parts = [
        ("models", "Comparison", models),
        ("configurations", "All figures", True),
        ("search", "Search", course),
        ("pairs", "Pairs", pairs.rows),
        ("time", f"{results.figure.title} and time", time),
        ("photos", "Would more photos help?", curves),
        ("failures", " and ".join(lost).capitalize(), lost),
        ("trials", "Trials", True),
        ("reproducibility", "How it was made", True),
    ]
    titles = [(anchor, title) for anchor, title, is_there in parts if is_there]
    return (
        environment(Path(__file__).parent / "templates")
        .get_template("study.html.jinja")
        .render(
            headline=_headline(results, record, titles),
            fingerprint="",
            budwood=record.budwood,
            results=results,
            figure=results.figure,
            of_labels=results.figure != ACCURACY,
            measured=measured,
            incomplete=any(0 < one.complete < one.planned for one in results.summaries[: figures.MOST]),
            most=figures.MOST,
            models=models,
            beginning=figures.beginning(results) if measured else "",
            rows=sections.table(results),
            some_photos=len({one.train_photos for one in results.summaries if one.complete}) > 1,
            pairs=pairs,
            differences=figures.differences(results),
            time=time,
            curves=curves,
            course=course,
            importance=search_figures.importance(search) if search else "",
            slices=search_figures.slices(search) if search else [],
            best_recipe=sections.best_recipe(results),
            recipes=resolve_recipes(results),
            in_all=names.common_words(results),
            trials=[one for one in results.trials if one.configuration or not search][: sections.TRIALS],
            rank=names.numbers(results),
            made=sections.reproducibility(results, record),
            points=figures.points,
            chance=sections.chance,
            brief=sections.shortener(results),
            short=names.short_names(results),
        )
    )


def _caption(results: Results) -> str:
    of = "" if results.figure == ACCURACY else f"{results.figure.title} of the best by validation loss"
    return f"{of or 'The best by validation loss'}, on {results.split} photos: mean of its trials, with its interval."


def _headline(results: Results, record: StudyRecord, titles: Sequence[tuple[str, str]]) -> Headline:
    verdict = sections.verdict(results)
    data, begun = record.data, (record.started or "")[:10]
    return Headline(
        kind="study",
        name=results.folder.resolve().name,
        about=[*([f"of {data}"] if data else []), *([begun] if begun else [])],
        sentence=verdict.title,
        accuracy=verdict.accuracy,
        interval=verdict.interval,
        caption=_caption(results),
        notes=[
            *(HeadlineNote(line, is_warning=True) for line in verdict.warnings),
            *(HeadlineNote(line) for line in verdict.notes),
        ],
        facts=sections.facts(results, record),
        sections=titles,
    )
