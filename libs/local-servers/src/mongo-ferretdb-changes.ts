/** The last release of FerretDB that has a backend of its own, SQLite. */
export const FERRETDB_PINNED = '1.24.2';

const ONE_WRITER = `package handler

import (
	"context"
	"sync"

	"github.com/FerretDB/wire"
)

// oneWriter lets one command at a time write.
func (h *Handler) oneWriter() {
	var lock sync.Mutex
	names := []string{
		"create", "createIndexes", "delete", "drop", "dropDatabase",
		"dropIndexes", "findAndModify", "findandmodify", "insert", "update",
	}

	for _, name := range names {
		write := h.commands[name].Handler
		h.commands[name].Handler = func(ctx context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
			lock.Lock()
			defer lock.Unlock()

			return write(ctx, msg)
		}
	}
}
`;

/** New files of its source. A build from the module has no version file, and does not start without one. */
export const FERRETDB_FILES: Readonly<Record<string, string>> = {
  'build/version/version.txt': `v${FERRETDB_PINNED}\n`,
  'internal/handler/one_writer.go': ONE_WRITER,
};

/**
 * Changes of its source, without which it cannot stand in for MongoDB.
 * - MongoDB updates a document in one step. FerretDB reads it and writes it in two, so that two writers who expect the
 *   same value both succeed (94 of 100 times, measured), and many at once end in "database is locked".
 * - A filter of `_id` and something else, and every update, read the whole collection: the look-up by `_id` was
 *   dropped for the one, and spelled otherwise than its index for the other.
 * - Making several indexes that are there already panics: it counts places in a list that gets shorter.
 */
export const FERRETDB_CHANGES: readonly { file: string; from: string; to: string }[] = [
  {
    file: 'internal/handler/handler.go',
    from: '\th.initCommands()\n',
    to: '\th.initCommands()\n\th.oneWriter()\n',
  },
  {
    file: 'internal/backends/sqlite/collection.go',
    from: 'if params.Filter.Len() == 1 {',
    to: 'if params.Filter != nil {',
  },
  {
    file: 'internal/backends/sqlite/metadata/metadata.go',
    from: `IDColumn = DefaultColumn + "->'$._id'"`,
    to: 'IDColumn = DefaultColumn + `->"_id"`',
  },
  {
    file: 'internal/handler/msg_createindexes.go',
    from: 'slices.Delete(filteredToCreate, i, i+1)',
    to: 'slices.DeleteFunc(filteredToCreate, func(other backends.IndexInfo) bool { return other.Name == newIdx.Name })',
  },
];
