// Pieces of work that many processes on one machine or several share: each is done by one of them at a time, and what a
// process leaves behind when it dies is taken over.
//
//   NAME.1, NAME.2, ...   one file for each attempt, made with O_EXCL, with host, process and start; the highest is the owner's
//
// The owner touches its file every few seconds. It counts as dead when its process is gone (same machine), or when another
// machine's file has not been touched for a minute of the watcher's own clock, so that clocks may differ.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace dsc {

// Held until it is destroyed, which releases it. A process that finds its claim taken over (it had been stopped for long) ends
// at once when `vital`: another one does its work now.
class Claim {
 public:
  Claim(std::string path, int attempt, bool vital);
  ~Claim();
  Claim(const Claim&) = delete;
  int attempt() const { return attempt_; }  // 1: nobody died over it

 private:
  void beat();

  std::string path_;
  int attempt_;
  bool vital_, done_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread heart_;
};

class ClaimBoard {
 public:
  explicit ClaimBoard(std::string folder) : folder_(std::move(folder)) {}
  // Whether somebody alive has it.
  bool is_taken(const std::string& name);
  // Null: somebody else has it, or was faster. errors: io, resource.
  std::unique_ptr<Claim> take(const std::string& name, bool vital);
  // The process number of the last one that had it, dead or alive; empty: none.
  std::string last_owner(const std::string& name) const;
  // Removes what dead owners left of a piece of work that is done.
  void clear(const std::string& name) const;

 private:
  struct Sighting {
    std::int64_t touched = 0;
    std::chrono::steady_clock::time_point since;
  };
  std::string attempt_path(const std::string& name, int attempt) const { return folder_ + "/" + name + "." + std::to_string(attempt); }
  int last_attempt(const std::string& name) const;  // 0: none
  bool is_alive(const std::string& path);

  std::string folder_;
  std::map<std::string, Sighting> seen_;
};

// This machine and this process, as claims name them: a process number means something in its own namespace only.
std::string machine_id();
std::string process_id();  // "1234 5678901": number, and when it started

}  // namespace dsc
