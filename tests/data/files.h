// Small data files that a test writes itself.
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/open.h"
#include "dscompress/error.h"

namespace dsc::test {

namespace fs = std::filesystem;

// A folder of its own for the running test, removed with its content at the end.
class Folder {
 public:
  Folder() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    path_ = fs::path(testing::TempDir()) / ("dsc_data_" + std::to_string(getpid()) + "_" + info->test_suite_name() + "_" + info->name());
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  std::string string() const { return path_.string(); }

 private:
  fs::path path_;
};

using Bytes = std::vector<std::uint8_t>;

inline void write_bytes(const fs::path& path, const Bytes& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline Bytes read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

inline void write_gzip(const fs::path& path, const Bytes& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

inline void append_number(Bytes& bytes, std::uint32_t value) {  // big-endian, as IDX has it
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
}

// Pixel `position` of example `index`: distinct enough to notice any mix-up.
inline std::uint8_t pixel(std::int64_t index, std::int64_t position) {
  return static_cast<std::uint8_t>((index * 31 + position * 7 + position / 32) % 251);
}

inline Bytes cifar_records(std::int64_t first, std::int64_t count) {
  Bytes bytes;
  for (std::int64_t i = first; i < first + count; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i % 10));
    for (std::int64_t p = 0; p < 3072; ++p) bytes.push_back(pixel(i, p));
  }
  return bytes;
}

// Five files of `each` training examples and one of `each` test examples.
inline void write_cifar(const fs::path& folder, std::int64_t each) {
  for (int i = 0; i < 5; ++i) write_bytes(folder / ("data_batch_" + std::to_string(i + 1) + ".bin"), cifar_records(i * each, each));
  write_bytes(folder / "test_batch.bin", cifar_records(1000, each));
}

inline Bytes idx_images(std::uint32_t count, std::uint32_t rows, std::uint32_t columns) {
  Bytes bytes;
  for (const std::uint32_t value : {0x803u, count, rows, columns}) append_number(bytes, value);
  for (std::uint32_t i = 0; i < count; ++i) for (std::uint32_t p = 0; p < rows * columns; ++p) bytes.push_back(pixel(i, p));
  return bytes;
}

inline Bytes idx_labels(const std::vector<std::uint8_t>& labels) {
  Bytes bytes;
  append_number(bytes, 0x801);
  append_number(bytes, static_cast<std::uint32_t>(labels.size()));
  bytes.insert(bytes.end(), labels.begin(), labels.end());
  return bytes;
}

// A 24-bit BMP; `colour` gives {red, green, blue}.
inline void write_bmp(const fs::path& path, int width, int height, const std::function<std::array<std::uint8_t, 3>(int x, int y)>& colour) {
  const int row = (width * 3 + 3) / 4 * 4;
  Bytes bytes(static_cast<std::size_t>(54 + row * height), 0);
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  bytes[0] = 'B', bytes[1] = 'M';
  put(2, static_cast<std::uint32_t>(bytes.size())), put(10, 54), put(14, 40);
  put(18, static_cast<std::uint32_t>(width)), put(22, static_cast<std::uint32_t>(height));
  bytes[26] = 1, bytes[28] = 24;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto [red, green, blue] = colour(x, y);
      const auto at = static_cast<std::size_t>(54 + (height - 1 - y) * row + x * 3);
      bytes[at] = blue, bytes[at + 1] = green, bytes[at + 2] = red;
    }
  }
  write_bytes(path, bytes);
}

// A PNG of one sample a pixel, as the file holds it: colour 0 is grey, 3 indexed (with the palette's colours). source: PNG
// specification, sections 5 and 11; checksums are left out.
inline void write_png(const fs::path& path, int width, int height, int bits, int colour, const std::function<int(int x, int y)>& sample) {
  Bytes file{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const auto chunk = [&](const std::string& type, const Bytes& data) {
    append_number(file, static_cast<std::uint32_t>(data.size()));
    file.insert(file.end(), type.begin(), type.end());
    file.insert(file.end(), data.begin(), data.end());
    append_number(file, 0);
  };
  Bytes head;
  append_number(head, static_cast<std::uint32_t>(width));
  append_number(head, static_cast<std::uint32_t>(height));
  head.insert(head.end(), {static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(colour), 0, 0, 0});
  chunk("IHDR", head);
  Bytes palette;
  for (int i = 0; i < 1 << std::min(bits, 8); ++i)
    palette.insert(palette.end(), {static_cast<std::uint8_t>(7 * i), static_cast<std::uint8_t>(255 - i), 3});
  if (colour == 3) chunk("PLTE", palette);
  const int samples = colour == 2 ? 3 : 1;  // of a pixel
  Bytes rows;
  for (int y = 0; y < height; ++y) {
    Bytes row(static_cast<std::size_t>(1 + (width * samples * bits + 7) / 8), 0);  // no filter
    for (int i = 0; i < width * samples; ++i) {
      const int bit = i * bits, value = sample(i / samples, y);
      row[static_cast<std::size_t>(1 + bit / 8)] |= static_cast<std::uint8_t>(bits >= 8 ? value : value << (8 - bits - bit % 8));
    }
    rows.insert(rows.end(), row.begin(), row.end());
  }
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  Bytes packed(size);
  compress(packed.data(), &size, rows.data(), static_cast<uLong>(rows.size()));
  packed.resize(size);
  chunk("IDAT", packed);
  chunk("IEND", {});
  write_bytes(path, file);
}

// An array in NumPy's format 1.0.
inline void write_npy(const fs::path& path, const std::string& descr, const std::string& shape, const void* data, std::size_t size,
                      const std::string& order = "False") {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  const std::string start = std::string("\x93NUMPY\x01", 7) + '\0' + static_cast<char>(header.size() & 255) + static_cast<char>(header.size() >> 8);
  Bytes bytes;
  for (const char c : start + header) bytes.push_back(static_cast<std::uint8_t>(c));
  const auto* begin = static_cast<const std::uint8_t*>(data);
  bytes.insert(bytes.end(), begin, begin + size);
  write_bytes(path, bytes);
}
template <class T>
void write_npy(const fs::path& path, const std::string& descr, const std::string& shape, const std::vector<T>& values) {
  write_npy(path, descr, shape, values.data(), values.size() * sizeof(T));
}

// The text of the error that `body` throws; fails the test when there is none or it is not about data.
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data) << error.to_text();
    EXPECT_FALSE(error.problems().front().hint.empty()) << error.to_text();
    return error.to_text();
  }
  ADD_FAILURE() << "no error";
  return {};
}

inline SplitConfig split_of(DataFormat format, const std::string& path, const std::string& split) {
  SplitConfig config;
  config.format = format;
  config.path.path = path;
  config.split = split;
  return config;
}

inline std::vector<std::int64_t> all_of(const Dataset& dataset) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < dataset.size(); ++i) indices.push_back(i);
  return indices;
}

inline std::vector<std::int64_t> labels_of(const Batch& batch) {
  const auto* data = batch.target.const_data_ptr<std::int64_t>();
  return {data, data + batch.target.numel()};
}

}  // namespace dsc::test
