// The log (stderr) and progress of long work. Only pipeline and cli log; below them code returns data.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace dsc {

struct LogOptions {
  bool quiet = false;     // warnings and errors only, no progress
  bool verbose = false;   // debug lines too
  bool json = false;      // one JSON object a line
  bool color = true;      // if stderr is a terminal
};
void configure_log(const LogOptions& options);
// Log lines also go to this file as JSON lines, appended; empty: stop.
void log_to_file(const std::string& path);

void log_debug(std::string_view text);
void log_info(std::string_view text);
void log_warning(std::string_view text);
void log_error(std::string_view text);

// One long piece of work. On a terminal a bar with rate and time left, redrawn at most ten times a second; otherwise one
// line when it ends, and one every 30 seconds.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  void update(std::string_view detail, std::int64_t done, std::int64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  std::string detail_;
  Clock::time_point phase_start_, last_shown_;
  std::int64_t phase_first_ = 0;
  bool drawn_ = false;
};

// "3.2 s", "4 min 05 s", "2 h 10 min".
std::string format_duration(double seconds);
// "512 B", "4.3 MB" (powers of 1000).
std::string format_bytes(double bytes);
// "1234567" -> "1.23 M"
std::string format_count(double count);

}  // namespace dsc
