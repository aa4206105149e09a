"""From a submission to verdicts: the learner's cells in a sandbox, the checks outside it."""
