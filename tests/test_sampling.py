"""The golden files that the tests in src/sampling read are what the NumPy definitions give."""
import json
import pathlib
import sys

import numpy as np

TESTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS / "reference"))
import beam_search  # noqa: E402
import sampling  # noqa: E402


def test_golden_file_is_current():
    stored = json.loads((TESTS / "golden" / "sampling.json").read_text(encoding="utf-8"))
    fresh = sampling.golden()
    assert stored["logits"] == fresh["logits"]
    assert len(stored["cases"]) == len(fresh["cases"])
    for old, new in zip(stored["cases"], fresh["cases"]):
        for key in ("logits", "history", "prompt", "params", "kept"):
            assert old[key] == new[key], f"run tests/reference/sampling.py: {new['logits']} {new['params']}"
        np.testing.assert_allclose(old["first_probabilities"], new["first_probabilities"], rtol=1e-8)


def test_definitions_on_a_case_by_hand():
    """Probabilities 1/2, 1/4, 1/8, 1/8 have an entropy of 1.75 bits; the surprise of the second is 2 bits,
    nearest to it; the first is 0.75 away, the others 1.25."""
    logits = np.log([0.5, 0.25, 0.125, 0.125])
    kept = lambda **params: list(np.flatnonzero(sampling.process(logits, [], {"top_k": 0, **params}) > -np.inf))
    assert kept(top_p=0.7) == [0, 1]
    assert kept(top_p=0.8) == [0, 1, 3]
    assert kept(min_p=0.3) == [0, 1]
    assert kept(typical_p=0.2) == [1]
    assert kept(typical_p=0.7) == [0, 1]
    assert kept(typical_p=0.8) == [0, 1, 2, 3]
    assert kept(epsilon_cutoff=0.2) == [0, 1]
    assert kept(epsilon_cutoff=0.9) == [0]
    # sqrt(0.16) * exp(-1.75 ln 2) = 0.119 < 0.16
    assert kept(eta_cutoff=0.16) == [0, 1, 2, 3]
    assert kept(eta_cutoff=0.25) == [0, 1]


def test_golden_beam_searches_are_current():
    stored = json.loads((TESTS / "golden" / "beam_search.json").read_text(encoding="utf-8"))
    fresh = beam_search.golden()
    assert stored["tables"] == fresh["tables"]
    assert stored["cases"] == fresh["cases"], "run tests/reference/beam_search.py"


def test_beam_search_on_a_case_by_hand():
    """Greedy takes token 0 (0.6) and then at best 0.3; token 1 (0.4) leads to 0.9."""
    rows = np.full((17, 3), 1e-9)
    table = beam_search.Table(np.log(rows))
    number = table.row_number
    table.rows[number([])] = np.log([0.6, 0.4, 1e-9])
    table.rows[number([0])] = np.log([0.3, 0.3, 0.4])
    table.rows[number([1])] = np.log([0.05, 0.05, 0.9])
    (tokens, score, ended), = beam_search.search(table, [2], 2, {"num_beams": 2})
    assert tokens == (1, 2) and ended
    np.testing.assert_allclose(score, np.log(0.4 * 0.9) / 2)
