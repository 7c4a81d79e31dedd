#include "nightly/history.h"

#include <sqlite3.h>

#include "dscompress/error.h"

namespace dsc {
namespace {

[[noreturn]] void fail(sqlite3* database) {
  const char* name = sqlite3_db_filename(database, nullptr);
  throw Error(ErrorCode::io, std::string("the history cannot be used: ") + sqlite3_errmsg(database), {.file = name ? name : ""},
              "if it is damaged, move it away: a new one is started");
}

// One statement: bound, stepped, finalised.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    if (sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK) fail(database);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;

  Statement& bind(const std::string& text) {
    sqlite3_bind_text(statement_, ++bound_, text.c_str(), -1, SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(std::int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  bool step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) fail(database_);
    return result == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* found = sqlite3_column_text(statement_, column);
    return found ? reinterpret_cast<const char*>(found) : "";
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

// `record` is the row as JSON; the other columns are for people's queries. A version is decided on once; nights without a
// decision and rollbacks may name it again.
constexpr const char* kTable =
    "CREATE TABLE IF NOT EXISTS nights (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, "
    "decided_at TEXT NOT NULL, fingerprint TEXT NOT NULL, record TEXT NOT NULL)";
constexpr const char* kIndex = "CREATE UNIQUE INDEX IF NOT EXISTS one_decision ON nights (version) WHERE verdict NOT IN ('healthy', 'violated', 'rollback')";
constexpr const char* kInsert = "INSERT OR IGNORE INTO nights (version, verdict, reason, decided_at, fingerprint, record) VALUES (?, ?, ?, ?, ?, ?)";

sqlite3* open_database(const std::string& path) {
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) == SQLITE_OK) return database;
  const std::string message = database ? sqlite3_errmsg(database) : "out of memory";
  sqlite3_close(database);
  throw Error(ErrorCode::io, "the history cannot be opened: " + message, {.file = path}, "check the folder's permissions");
}

}  // namespace

History::History(const std::string& path) : database_(open_database(path), sqlite3_close) {
  sqlite3_busy_timeout(database_.get(), 5000);
  Statement(database_.get(), kTable).step();
  Statement(database_.get(), kIndex).step();
}

History History::in_memory() { return History(":memory:"); }

bool History::has_decision(std::int64_t number) const {
  return Statement(database_.get(), "SELECT 1 FROM nights WHERE version = ? AND verdict NOT IN ('healthy', 'violated', 'rollback')").bind(number).step();
}

std::optional<Decision> History::find_decision(const std::string& fingerprint) const {
  Statement found(database_.get(), "SELECT record FROM nights WHERE fingerprint = ? ORDER BY id DESC LIMIT 1");
  return found.bind(fingerprint).step() ? std::optional(parse_decision(found.text(0), "history")) : std::nullopt;
}

void History::add(const Decision& row) {
  Statement(database_.get(), kInsert).bind(row.number).bind(to_text(row.verdict)).bind(row.reason).bind(row.decided_at).bind(row.fingerprint).bind(decision_json(row)).step();
}

std::vector<Decision> History::rows() const {
  std::vector<Decision> rows;
  Statement row(database_.get(), "SELECT record FROM nights ORDER BY id");
  while (row.step()) rows.push_back(parse_decision(row.text(0), "history"));
  return rows;
}

}  // namespace dsc
