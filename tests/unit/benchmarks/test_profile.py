"""The profile assigns its samples to their layer and their trial."""

from collections import Counter

from benchmarks.suites.profile import Profile, tables_of


def test_samples_are_counted_by_layer_and_by_function() -> None:
    counts = Counter(
        {
            "images/worker/pipeline/executor.py Slots._file": 2,
            "trio/_core/_run.py unrolled_run": 1,
            "python/heapq.py push": 1,
        }
    )
    layers, functions = tables_of([Profile("sleep 0", counts, 200.0)])
    rows = {row[0]: row[1] for row in layers.rows}
    assert rows["the pipeline (images/worker)"] == "100.0"
    assert rows["trio, with its calls of the kernel"] == "50.0"
    assert rows["Python's own library"] == "50.0"
    assert rows["all"] == "200.0"
    assert functions.rows[0] == ("`Slots._file`", "images/worker/pipeline/executor.py", "50.0%")


def test_trial_without_samples_still_has_its_column() -> None:
    layers, _ = tables_of([Profile("sleep 0", Counter(), 200.0)])
    assert layers.rows[-1] == ("all", "200.0")
