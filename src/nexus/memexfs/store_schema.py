"""The tables of meta.db.

Folders and files are rows that name their folder, so that moving a folder of a million files changes one row.
A removed file stays as a row with `gone` (when, in ns) as long as it has tags or versions: identity follows
the name. Invariant: the triggers keep the words of FTS5, the count of files of each tag, and everything that
hangs on a file in step, whatever changes the rows.
"""

from __future__ import annotations

VERSION = 1
ROOT = 1  # the folder of files/ itself

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE folders (
    id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, name BLOB NOT NULL, UNIQUE (parent, name)
);
INSERT INTO folders (id, parent, name) VALUES (1, 0, x'');
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder INTEGER NOT NULL REFERENCES folders,
    name BLOB NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0,
    label TEXT NOT NULL,
    kind TEXT NOT NULL DEFAULT '',
    mime TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    summary TEXT NOT NULL DEFAULT '',
    author TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL DEFAULT 0,
    mtime_ns INTEGER NOT NULL DEFAULT 0,
    month TEXT NOT NULL DEFAULT '',
    digest TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'waiting',
    problem TEXT NOT NULL DEFAULT '',
    indexed_ns INTEGER NOT NULL DEFAULT 0,
    UNIQUE (folder, name)
);
-- `gone` is in them although it is 0, so that counting needs to look at no row.
CREATE INDEX files_state ON files (state, gone) WHERE gone = 0;
CREATE INDEX files_mtime ON files (mtime_ns, gone) WHERE gone = 0;
CREATE INDEX files_kind ON files (kind, mtime_ns, gone) WHERE gone = 0 AND kind <> '';
CREATE INDEX files_author ON files (author, mtime_ns, gone) WHERE gone = 0 AND author <> '';
CREATE INDEX files_project ON files (project, mtime_ns, gone) WHERE gone = 0 AND project <> '';
CREATE INDEX files_month ON files (month, mtime_ns, gone) WHERE gone = 0 AND month <> '';
CREATE INDEX files_gone ON files (gone) WHERE gone <> 0;

CREATE TABLE passages (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    heading TEXT NOT NULL, text TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    UNIQUE (file, ordinal)
);
CREATE VIRTUAL TABLE named USING fts5 (
    label, title, summary, content = 'files', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE said USING fts5 (
    heading, text, content = 'passages', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
    INSERT INTO said (rowid, heading, text) VALUES (new.id, new.heading, new.text);
END;
CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
    INSERT INTO said (said, rowid, heading, text) VALUES ('delete', old.id, old.heading, old.text);
END;
CREATE TRIGGER files_added AFTER INSERT ON files BEGIN
    INSERT INTO named (rowid, label, title, summary) VALUES (new.id, new.label, new.title, new.summary);
END;
CREATE TRIGGER files_named AFTER UPDATE OF label, title, summary ON files
WHEN old.label <> new.label OR old.title <> new.title OR old.summary <> new.summary BEGIN
    INSERT INTO named (named, rowid, label, title, summary)
        VALUES ('delete', old.id, old.label, old.title, old.summary);
    INSERT INTO named (rowid, label, title, summary) VALUES (new.id, new.label, new.title, new.summary);
END;
CREATE TRIGGER files_removed AFTER DELETE ON files BEGIN
    INSERT INTO named (named, rowid, label, title, summary)
        VALUES ('delete', old.id, old.label, old.title, old.summary);
END;
-- Before, so that the count of the tags still sees whether the file lived.
CREATE TRIGGER files_leave BEFORE DELETE ON files BEGIN
    DELETE FROM tagged WHERE file = old.id;
    DELETE FROM passages WHERE file = old.id;
    DELETE FROM pending WHERE file = old.id;
    DELETE FROM versions WHERE file = old.id;
END;
CREATE TRIGGER files_go AFTER UPDATE OF gone ON files WHEN old.gone = 0 AND new.gone <> 0 BEGIN
    UPDATE tags SET files = files - 1 WHERE id IN (SELECT tag FROM tagged WHERE file = new.id);
    DELETE FROM passages WHERE file = new.id;
    DELETE FROM pending WHERE file = new.id;
END;
CREATE TRIGGER files_return AFTER UPDATE OF gone ON files WHEN old.gone <> 0 AND new.gone = 0 BEGIN
    UPDATE tags SET files = files + 1 WHERE id IN (SELECT tag FROM tagged WHERE file = new.id);
END;

CREATE TABLE tags (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, files INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE tagged (tag INTEGER NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (tag, file)) WITHOUT ROWID;
CREATE INDEX tagged_file ON tagged (file, tag);
CREATE TRIGGER tagged_added AFTER INSERT ON tagged BEGIN
    UPDATE tags SET files = files + 1
        WHERE id = new.tag AND EXISTS (SELECT 1 FROM files WHERE id = new.file AND gone = 0);
END;
CREATE TRIGGER tagged_removed AFTER DELETE ON tagged BEGIN
    UPDATE tags SET files = files - 1
        WHERE id = old.tag AND EXISTS (SELECT 1 FROM files WHERE id = old.file AND gone = 0);
END;
CREATE TRIGGER tags_removed BEFORE DELETE ON tags BEGIN
    DELETE FROM tagged WHERE tag = old.id;
END;

CREATE TABLE pending (
    file INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
    not_before INTEGER NOT NULL, since INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT ''
);
CREATE INDEX pending_due ON pending (not_before);
-- What whoever keeps an index has to hear of files that moved or went, in order.
CREATE TABLE chores (
    n INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, file INTEGER NOT NULL,
    path BLOB NOT NULL, old BLOB NOT NULL, folder INTEGER NOT NULL,
    not_before INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT ''
);

CREATE TABLE versions (
    n INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL, digest TEXT NOT NULL, form TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, taken_ns INTEGER NOT NULL, cause TEXT NOT NULL
);
CREATE INDEX versions_file ON versions (file, taken_ns);
CREATE INDEX versions_digest ON versions (digest);

CREATE TABLE queries (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (name TEXT PRIMARY KEY, path BLOB NOT NULL) WITHOUT ROWID;
"""
