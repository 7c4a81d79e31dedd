#include <charconv>
#include <cstdlib>
#include <limits>

#include "parallel/group.h"

namespace dsc {
namespace {

std::string text_of_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<std::int64_t> number_of_variable(const char* name, std::int64_t least, std::int64_t most) {
  const std::string text = text_of_variable(name);
  if (text.empty()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc() && end == text.data() + text.size() && number >= least && number <= most) return number;
  throw Error(ErrorCode::usage, std::string(name) + " is `" + text + "`; it must be a number from " + std::to_string(least) + " to " + std::to_string(most), {},
              "whoever starts the processes sets it: torchrun, srun, or dscompress itself");
}

constexpr std::int64_t kMostProcesses = 4096;
constexpr std::int64_t kLastPort = 65535;

std::int64_t required_number(const char* name, std::int64_t least, std::int64_t most) {
  if (const auto number = number_of_variable(name, least, most)) return *number;
  throw Error(ErrorCode::usage, std::string("RANK is set, and ") + name + " is not", {}, "torchrun sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT; unset RANK to run alone");
}

// "node[03-07,12],other" -> "node03".
std::string first_host(const std::string& list) {
  const auto bracket = list.find_first_of("[,");
  if (bracket == std::string::npos || list[bracket] == ',') return list.substr(0, bracket);
  return list.substr(0, bracket) + list.substr(bracket + 1, list.find_first_of(",-]", bracket) - bracket - 1);
}

Membership from_launcher() {
  Membership member;
  member.size = required_number("WORLD_SIZE", 1, kMostProcesses);
  member.rank = required_number("RANK", 0, member.size - 1);
  member.local_size = number_of_variable("LOCAL_WORLD_SIZE", 1, member.size).value_or(1);
  member.store_file = text_of_variable("DSCOMPRESS_STORE");
  if (!member.store_file.empty() || member.size == 1) return member;
  member.address = text_of_variable("MASTER_ADDR");
  if (member.address.empty()) required_number("MASTER_ADDR", 0, 0);
  member.port = static_cast<std::uint16_t>(required_number("MASTER_PORT", 1, kLastPort));
  member.serves = member.rank == 0 && text_of_variable("TORCHELASTIC_USE_AGENT_STORE") != "True";
  member.round = text_of_variable("TORCHELASTIC_RESTART_COUNT");
  return member;
}

// Within srun the affinity mask says which cores are a task's own.
Membership from_slurm(std::int64_t size) {
  constexpr std::int64_t kFirstPort = 20000, kPorts = 20000;
  Membership member{.size = size};
  member.rank = required_number("SLURM_PROCID", 0, size - 1);
  member.address = text_of_variable("MASTER_ADDR");
  if (member.address.empty()) member.address = number_of_variable("SLURM_STEP_NUM_NODES", 1, kMostProcesses) == 1 ? "127.0.0.1" : first_host(text_of_variable("SLURM_STEP_NODELIST"));
  const auto job = number_of_variable("SLURM_JOB_ID", 0, std::numeric_limits<std::int64_t>::max()).value_or(0);
  member.port = static_cast<std::uint16_t>(number_of_variable("MASTER_PORT", 1, kLastPort).value_or(kFirstPort + job % kPorts));
  member.serves = member.rank == 0;
  member.round = text_of_variable("SLURM_STEP_ID");
  return member;
}

}  // namespace

std::optional<Membership> find_membership(std::int64_t processes) {
  if (!text_of_variable("RANK").empty()) {
    auto member = from_launcher();
    if (processes > 1 && member.size != processes) {
      throw Error(ErrorCode::usage, "the run is one of " + std::to_string(processes) + " processes, and " + std::to_string(member.size) + " were started (WORLD_SIZE)", {},
                  "start as many as the recipe's `processes` or --processes says; a resumed run needs as many as it had");
    }
    return member;
  }
  if (processes <= 1) return std::nullopt;
  const auto tasks = number_of_variable("SLURM_STEP_NUM_TASKS", 1, kMostProcesses);
  if (tasks && *tasks == processes) return from_slurm(processes);
  if (!tasks || *tasks == 1) return std::nullopt;
  throw Error(ErrorCode::usage, "the run is one of " + std::to_string(processes) + " processes, and srun started " + std::to_string(*tasks), {},
              "srun --ntasks=" + std::to_string(processes) + ", or one task, which starts the processes itself");
}

}  // namespace dsc
