// Event files as TensorBoard reads them, made in memory: records of a length, its checksum, an Event message, its checksum.
//
// The few messages are encoded by hand (wire_message.h): protobuf would be a dependency for a dozen fields.
// source: tensorflow/core/lib/io/record_writer.h, tensorboard/compat/proto/{event,summary,histogram}.proto
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/wire_message.h"

namespace dsc {

// How values are distributed: counts[i] of them are below limits[i], the largest of all included, and in no bucket before it.
struct TrackedHistogram {
  double minimum = 0, maximum = 0, count = 0, sum = 0, sum_of_squares = 0;
  std::vector<double> limits, counts;
};
inline constexpr std::int64_t kHistogramBuckets = 30;
// Of equal widths between the smallest and the largest. Non-finite values are left out.
TrackedHistogram histogram_of(std::span<const float> values);

class EventFile {
 public:
  // wall_time: here and below, seconds since 1970.
  explicit EventFile(double wall_time);
  void add_scalar(std::string_view tag, std::int64_t step, double value, double wall_time);
  void add_histogram(std::string_view tag, std::int64_t step, const TrackedHistogram& histogram, double wall_time);
  // What one of TensorBoard's plugins reads, in its own message.
  void add_plugin_data(std::string_view tag, std::string_view plugin, std::string_view content, double wall_time);

  const std::string& bytes() const { return bytes_; }

 private:
  void add_record(const WireMessage& event);
  void add_summary(const WireMessage& value, std::int64_t step, double wall_time);

  std::string bytes_;
};

// CRC-32C (Castagnoli), and how records store it.
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace dsc
