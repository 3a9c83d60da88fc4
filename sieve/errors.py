"""What can go wrong in the sieve, one class per remedy."""


class SieveError(Exception):
    """Base of all errors raised by ``sieve``; its text is fit to be shown to a user."""


class CheckpointError(SieveError):
    """A model directory is incomplete, of the wrong layout or of the wrong shape."""


class ClipError(SieveError):
    """The tensors of a clip do not fit together."""


class NoTokenizer(SieveError):
    """The model directory carries no tokenizer, so text cannot be read or written."""


class NoRowFree(SieveError):
    """All rows of the arena are taken."""


class RowUnknown(SieveError):
    """No such row is open."""


class BranchUnknown(SieveError):
    """No such question is being answered."""


class NoBranchFree(SieveError):
    """Too many questions are being answered at once."""


class WindowOutOfOrder(SieveError):
    """A window starts before the end of one that was ingested already."""


class QuestionEmpty(SieveError):
    """A question without text."""


class QuestionTooLong(SieveError):
    """A question, with its history, of more tokens than a branch may hold."""


class SettingInvalid(SieveError):
    """A setting out of its range."""


class FolderBusy(SieveError):
    """Another process is at work in a run's folder."""


class BenchmarkError(SieveError):
    """The files of a benchmark are not there, or nothing in them can be asked."""


class TrainingError(SieveError):
    """Training cannot begin or go on: its data or its settings do not allow it."""


class BudgetUnreachable(SieveError):
    """A share of tokens below what a method of dropping them can go down to."""
