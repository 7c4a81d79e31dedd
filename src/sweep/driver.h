// The driver of a sweep: starts workers on this machine, watches them, keeps the tables, ends the sweep.
#pragma once

#include <string>
#include <vector>

#include "core/file_lock.h"
#include "sweep/folder.h"

namespace dsc::sweep {

// One driver a folder, as long as its process lives.
class DriverLock : FileLock {
 public:
  explicit DriverLock(const Folder& folder);  // errors: usage, when another driver has it; io
};

class Sampler;

struct DriveOptions {
  std::int64_t workers = 1;
  std::vector<std::string> arguments;  // of the program, before `sweep --worker DIR`
  Sampler* sampler = nullptr;          // queues further trials; null: the queue is complete
};

// Until all trials have ended, a limit is reached, or somebody stops it. The caller holds the lock. returns: the exit status, 0 or 3 (too many
// failures, or nothing but failures). errors: cancelled (resumable), resource, whatever ended a worker.
int drive(const Folder& folder, const DriveOptions& options);

// trials.csv, front.csv, sweep.html.
void write_tables(const Folder& folder);
// These, and optuna.journal.
void write_last_tables(const Folder& folder);

}  // namespace dsc::sweep
