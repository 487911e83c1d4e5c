"""Steps from one shape of the store to the next, run by alembic when a store is opened.

A new step is a file in versions/ with the next number as its revision; `migration.NEWEST` names it, `tables.py` shows
the result. A step that has been released is never edited."""
