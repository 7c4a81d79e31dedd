#include "core/log.h"

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <mutex>

#include <nlohmann/json.hpp>
#define SPDLOG_HEADER_ONLY
#define FMT_HEADER_ONLY  // Debian's spdlog uses the system fmt; without its library
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace dsc {
namespace {

// The process's log is the one piece of global state: every line of a run goes through it.
struct Log {
  LogOptions options;
  std::shared_ptr<spdlog::logger> terminal;
  std::shared_ptr<spdlog::logger> file;
  bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  bool bar_drawn = false;
  std::mutex mutex;
};
Log& log_state() {
  static Log log;
  return log;
}

std::shared_ptr<spdlog::logger> make_terminal_logger(const LogOptions& options, bool is_terminal) {
  const bool color = options.color && is_terminal;
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(color ? spdlog::color_mode::automatic : spdlog::color_mode::never);
  auto logger = std::make_shared<spdlog::logger>("terminal", sink);
  logger->set_pattern(options.json ? "%v" : "%^%L%$ %H:%M:%S %v");
  logger->set_level(options.quiet ? spdlog::level::warn : options.verbose ? spdlog::level::debug : spdlog::level::info);
  return logger;
}

std::string json_line(spdlog::level::level_enum level, std::string_view text) {
  std::array<char, 32> stamp{};
  const auto now = std::time(nullptr);
  std::tm broken_down{};
  ::gmtime_r(&now, &broken_down);
  std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%SZ", &broken_down);
  const auto name = spdlog::level::to_string_view(level);
  nlohmann::ordered_json line{{"time", stamp.data()}, {"level", std::string(name.data(), name.size())}, {"message", text}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write(spdlog::level::level_enum level, std::string_view text) {
  auto& log = log_state();
  const std::lock_guard lock(log.mutex);
  if (!log.terminal) log.terminal = make_terminal_logger(log.options, log.is_terminal);
  if (log.bar_drawn) std::fputs("\r\033[K", stderr);
  log.bar_drawn = false;
  const auto line = log.options.json || log.file ? json_line(level, text) : std::string();
  log.terminal->log(level, "{}", log.options.json ? std::string_view(line) : text);
  log.terminal->flush();
  if (log.file) {
    log.file->log(level, "{}", line);
    log.file->flush();
  }
}

}  // namespace

void configure_log(const LogOptions& options) {
  auto& log = log_state();
  const std::lock_guard lock(log.mutex);
  log.options = options;
  log.terminal = make_terminal_logger(options, log.is_terminal);
}

void log_to_file(const std::string& path) {
  auto& log = log_state();
  const std::lock_guard lock(log.mutex);
  log.file.reset();
  if (path.empty()) return;
  log.file = std::make_shared<spdlog::logger>("file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path));
  log.file->set_pattern("%v");
  log.file->set_level(spdlog::level::debug);
}

void log_debug(std::string_view text) { write(spdlog::level::debug, text); }
void log_info(std::string_view text) { write(spdlog::level::info, text); }
void log_warning(std::string_view text) { write(spdlog::level::warn, text); }
void log_error(std::string_view text) { write(spdlog::level::err, text); }

Progress::Progress(std::string what) : what_(std::move(what)), phase_start_(Clock::now()), last_shown_(phase_start_) {}

Progress::~Progress() {
  auto& log = log_state();
  const std::lock_guard lock(log.mutex);
  if (drawn_ && log.bar_drawn) {
    std::fputs("\r\033[K", stderr);
    log.bar_drawn = false;
  }
}

void Progress::update(std::string_view detail, std::int64_t done, std::int64_t total) {
  auto& log = log_state();
  if (log.options.quiet) return;
  const auto now = Clock::now();
  if (detail != detail_ || done < phase_first_) {
    detail_ = detail;
    phase_start_ = now;
    phase_first_ = done;
  }
  const bool bar = log.is_terminal && !log.options.json;
  const auto pause = bar ? std::chrono::milliseconds(100) : std::chrono::milliseconds(30000);
  if (now - last_shown_ < pause) return;
  last_shown_ = now;
  const double seconds = std::chrono::duration<double>(now - phase_start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done - phase_first_) / seconds : 0;
  std::array<char, 256> text{};
  const auto left = rate > 0 && total > done ? format_duration(static_cast<double>(total - done) / rate) + " left" : std::string();
  std::snprintf(text.data(), text.size(), "%s: %s %lld/%lld (%.1f/s%s%s)", what_.c_str(), detail_.c_str(), static_cast<long long>(done),
                static_cast<long long>(total), rate, left.empty() ? "" : ", ", left.c_str());
  if (!bar) return log_info(text.data());
  constexpr int kWidth = 24;
  const int filled = total > 0 ? static_cast<int>(kWidth * done / total) : 0;
  const std::lock_guard lock(log.mutex);
  std::fprintf(stderr, "\r\033[K[%s%s] %s", std::string(static_cast<std::size_t>(filled), '#').c_str(),
               std::string(static_cast<std::size_t>(kWidth - filled), '.').c_str(), text.data());
  std::fflush(stderr);
  log.bar_drawn = drawn_ = true;
}

std::string format_duration(double seconds) {
  std::array<char, 64> text{};
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (seconds < 60) {
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
  } else if (whole < 3600) {
    std::snprintf(text.data(), text.size(), "%lld min %02lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%lld h %02lld min", whole / 3600, whole / 60 % 60);
  }
  return text.data();
}

namespace {

std::string format_scaled(double number, std::initializer_list<const char*> units) {
  auto unit = units.begin();
  while (std::abs(number) >= 999.5 && std::next(unit) != units.end()) {
    number /= 1000;
    ++unit;
  }
  std::array<char, 64> text{};
  const int decimals = unit == units.begin() || std::abs(number) >= 100 ? 0 : std::abs(number) >= 10 ? 1 : 2;
  std::snprintf(text.data(), text.size(), **unit ? "%.*f %s" : "%.*f", decimals, number, *unit);
  return text.data();
}

}  // namespace

std::string format_bytes(double bytes) { return format_scaled(bytes, {"B", "kB", "MB", "GB", "TB"}); }
std::string format_count(double count) { return format_scaled(count, {"", "k", "M", "G", "T"}); }

}  // namespace dsc
