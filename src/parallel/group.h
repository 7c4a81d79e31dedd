// A group of processes on one or several machines, through c10d's gloo.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "parallel/ranks.h"

namespace dsc {

// How a process finds the others.
struct Membership {
  std::int64_t rank = 0, size = 1;
  std::int64_t local_size = 1;  // processes that share this process's cores
  // Where addresses are exchanged: a file, among processes of one machine, which then talk over its loopback interface; or
  // a server, which torchrun keeps, or else the first rank.
  std::string store_file;
  std::string address;
  std::uint16_t port = 0;
  bool serves = false;
  std::string round;  // tells restarts by one server apart
};

// Which process of which group this one is, as whoever started it says in the environment: our own launcher or torchrun
// (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), or srun for a run of `processes` (SLURM_PROCID, SLURM_STEP_NUM_TASKS; the
// address from SLURM_STEP_NODELIST unless MASTER_ADDR is set). None: it was started alone.
// errors: usage, for variables that do not fit together, and when the group has another size than `processes`, unless that is 1.
std::optional<Membership> find_membership(std::int64_t processes);

// Waits for the others and connects to them. errors: io, when they do not come.
std::unique_ptr<Ranks> join_group(const Membership& membership);

}  // namespace dsc
