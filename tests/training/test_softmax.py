"""The README's example of a softmax in TensorFlow."""

import doctest

from tests.test_readme import examples


def test_the_softmax_runs_in_tensorflow():
    (example,) = examples("tensorflow")
    test = doctest.DocTestParser().get_doctest(example, {}, "README.md", "README.md", 0)

    assert doctest.DocTestRunner().run(test) == doctest.TestResults(failed=0, attempted=3)
