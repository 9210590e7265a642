package postgres

import (
	"embed"
	"strings"
)

// Every statement is a file, so that one test can hold all of them against the
// SQL that PostgreSQL and CockroachDB have in common.
//
//go:embed sql/*.sql
var statementFiles embed.FS

var (
	sqlPing            = statement("ping")
	sqlServerSettings  = statement("server_settings")
	sqlPlannerSettings = statement("planner_settings")

	sqlSchemaPresent       = statement("schema_present")
	sqlSchemaCreate        = statement("schema_create")
	sqlSchemaVersionCreate = statement("schema_version_create")
	sqlSchemaVersionBegin  = statement("schema_version_begin")
	sqlSchemaVersion       = statement("schema_version")
	sqlSchemaVersionLock   = statement("schema_version_lock")
	sqlSchemaVersionSet    = statement("schema_version_set")

	sqlPut        = statement("put")
	sqlPutOutcome = statement("put_outcome")

	sqlBegin              = "BEGIN"
	sqlBeginSnapshot      = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	sqlCommit             = "COMMIT"
	sqlRollback           = "ROLLBACK"
	sqlBeginFlush         = statement("begin_flush")
	sqlClaimWrites        = statement("claim_writes")
	sqlRecords            = statement("records")
	sqlLockEntries        = statement("lock_entries")
	sqlLoadEntries        = statement("load_entries")
	sqlLoadVersion        = statement("load_version")
	sqlStore              = statement("store")
	sqlNamespacesUsage    = statement("namespaces_usage")
	sqlNamespacesSettings = statement("namespaces_settings")
	sqlUpdateEntries      = statement("update_entries")
	sqlInsertVersions     = statement("insert_versions")
	sqlInsertPending      = statement("insert_pending")
	sqlUnlockEntries      = statement("unlock_entries")
	sqlUpdateRecords      = statement("update_records")
	sqlDeleteRecords      = statement("delete_records")

	sqlGet            = statement("get")
	sqlGetGroup       = statement("get_group")
	sqlVersion        = statement("version")
	sqlHistory        = statement("history")
	sqlList           = statement("list")
	sqlListValues     = statement("list_values")
	sqlSetNamespace   = statement("set_namespace")
	sqlNamespaceNames = statement("namespace_names")

	sqlHead              = statement("head")
	sqlLockStore         = statement("lock_store")
	sqlSequence          = statement("sequence")
	sqlChangedNamespaces = statement("changed_namespaces")
	sqlLogState          = statement("log_state")
	sqlChanges           = statement("changes")
	sqlChangeDetails     = statement("change_details")

	sqlEpoch      = statement("epoch")
	sqlEpochSay   = statement("epoch_say")
	sqlEpochRaise = statement("epoch_raise")

	sqlAcquireLease     = statement("acquire_lease")
	sqlReleaseLease     = statement("release_lease")
	sqlLapsed           = statement("lapsed")
	sqlOldNamespaces    = statement("old_namespaces")
	sqlRaiseFloor       = statement("raise_floor")
	sqlSettleFloor      = statement("settle_floor")
	sqlDeleteVersions   = statement("delete_versions")
	sqlDeleteTombstones = statement("delete_tombstones")
	sqlTrimChanges      = statement("trim_changes")
	sqlDeleteOldWrites  = statement("delete_old_writes")
	sqlDeleteOldFlushes = statement("delete_old_flushes")
)

// statement gives the text of a file without the comment at its head.
func statement(name string) string {
	text, err := statementFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the program was built without it
	}
	rest := string(text)
	for strings.HasPrefix(rest, "--") {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	return strings.TrimSpace(rest)
}
