// The versions of one model on disk:
//
//   1/ 2/ 5/          promoted versions: finished run folders with model.xml, as OpenVINO Model Server reads them
//   last-good         a link to the highest of them, which is what the server serves
//   .candidate.json   what is being tried, or was tried last tonight, as which version
//   .new-6/           its run folder
//   rejected/3/       candidates that were not promoted, and versions that somebody went back from
//   .traffic/         what the candidate is trained and tried on
//   .lock  history.sqlite  report.html  metrics.prom
//
// Order of a decision: .candidate.json, the run in .new-N, decision.json in it, the folder's new name, the link, the row of the
// history; at the night's end .candidate.json is removed. Each is one atomic step, so that a killed night goes on where it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/file_lock.h"
#include "nightly/decision.h"

namespace dsc {

class Registry {
 public:
  explicit Registry(std::string folder) : folder_(std::move(folder)) {}

  bool exists() const;
  void make() const;
  const std::string& folder() const { return folder_; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::string history_file() const { return file("history.sqlite"); }
  std::string traffic_folder() const { return file(".traffic"); }
  std::string version_folder(std::int64_t number) const { return file(std::to_string(number)); }
  std::string candidate_folder(std::int64_t number) const { return file(".new-" + std::to_string(number)); }

  std::vector<std::int64_t> versions() const;       // promoted ones, ascending
  std::optional<std::int64_t> last_good() const;    // errors: io, when versions are there and the link is not, or leads nowhere
  std::int64_t next_number() const;                 // above all folders that are there

  std::optional<Decision> candidate() const;        // the one in progress
  void start_candidate(const Decision& candidate) const;
  void end_candidate() const;

  std::optional<Decision> decision_in(const std::string& folder) const;
  void write_decision(const std::string& folder, const Decision& decision) const;
  void settle(const Decision& decision) const;      // moves the candidate's folder to where its verdict says
  std::optional<Decision> settled(std::int64_t number) const;

  void link(std::int64_t number) const;             // last-good
  // What lies above last-good goes to the rejected ones; of both, so many stay.
  void tidy(std::int64_t keep) const;
  // Makes this version the last good one, wherever it lies. errors: usage, when it never was.
  void go_back(std::int64_t number) const;

 private:
  std::string rejected_folder(std::int64_t number) const;
  void reject_above(std::int64_t number) const;
  std::string folder_;
};

// Held while it lives; a second one is refused. errors: io.
class RegistryLock : FileLock {
 public:
  explicit RegistryLock(const Registry& registry);
};

}  // namespace dsc
