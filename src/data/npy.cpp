// NumPy's .npy: magic, version, length of a header in Python syntax, raw array.
// source: numpy/lib/format.py, "Format Version 1.0" to 3.0.
#include <ATen/ops/from_file.h>

#include <array>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "data/tensors.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<std::int64_t> shape;
  std::int64_t data_offset = 0;
};

[[noreturn]] void fail(const std::string& path, std::int64_t offset, const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::data, std::filesystem::path(path).filename().string() + " " + why,
              {.file = path, .pointer = "offset " + std::to_string(offset)}, hint);
}

constexpr const char* kWriteAgain = "write it again with numpy.save";

// The text after `'key':` in the header's dictionary, without leading blanks.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& path) {
  const auto at = header.find("'" + std::string(key) + "':");
  if (at == std::string_view::npos) fail(path, 10, "has no `" + std::string(key) + "` in its header", kWriteAgain);
  header.remove_prefix(at + key.size() + 3);
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  return header;
}

std::vector<std::int64_t> parse_shape(std::string_view text, const std::string& path) {
  const auto close = text.find(')');
  if (text.empty() || text.front() != '(' || close == std::string_view::npos) {
    fail(path, 10, "has no shape in its header", kWriteAgain);
  }
  std::vector<std::int64_t> shape;
  std::int64_t value = -1;
  for (const char c : text.substr(1, close - 1)) {
    if (std::isdigit(static_cast<unsigned char>(c))) {
      value = (value < 0 ? 0 : value) * 10 + (c - '0');
      if (value > std::numeric_limits<std::int32_t>::max()) fail(path, 10, "has a dimension beyond 2^31", kWriteAgain);
    } else if (c == ',') {
      shape.push_back(value);
      value = -1;
    } else if (c != ' ') {
      fail(path, 10, "has a shape that is not numbers", kWriteAgain);
    }
  }
  if (value >= 0) shape.push_back(value);
  for (const std::int64_t size : shape) if (size < 0) fail(path, 10, "has an empty dimension in its shape", kWriteAgain);
  return shape;
}

Header read_header(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorCode::data, "cannot open " + path, {.file = path}, "check that the file is there and readable");
  std::array<unsigned char, 12> start{};
  in.read(reinterpret_cast<char*>(start.data()), 10);
  if (!in || std::memcmp(start.data(), "\x93NUMPY", 6) != 0) fail(path, 0, "is no .npy file", kWriteAgain);
  std::int64_t length = start[8] | start[9] << 8;
  Header header;
  header.data_offset = 10 + length;
  if (start[6] >= 2) {
    in.read(reinterpret_cast<char*>(start.data()) + 10, 2);
    length |= std::int64_t{start[10]} << 16 | std::int64_t{start[11]} << 24;
    header.data_offset = 12 + length;
  }
  if (length > 1 << 20) fail(path, 8, "has a header of " + std::to_string(length) + " bytes", kWriteAgain);
  std::string text(static_cast<std::size_t>(length), '\0');
  if (!in.read(text.data(), length)) fail(path, 10, "ends inside its header", kWriteAgain);
  const std::string_view descr = value_of(text, "descr", path);
  if (descr.size() > 1 && descr.front() == '\'') header.descr = descr.substr(1, descr.find('\'', 1) - 1);
  header.fortran = value_of(text, "fortran_order", path).starts_with("True");
  header.shape = parse_shape(value_of(text, "shape", path), path);
  return header;
}

at::ScalarType scalar_type(const Header& header, const std::string& path) {
  struct Row {
    const char* descr;
    at::ScalarType type;
  };
  static constexpr std::array<Row, 11> kTypes{{{"|b1", at::kBool}, {"|u1", at::kByte}, {"|i1", at::kChar},
                                               {"<i2", at::kShort}, {"<i4", at::kInt}, {"<i8", at::kLong},
                                               {"<f2", at::kHalf}, {"<f4", at::kFloat}, {"<f8", at::kDouble},
                                               {"<u2", at::kUInt16}, {"<u4", at::kUInt32}}};
  for (const Row& row : kTypes) if (header.descr == row.descr) return row.type;
  fail(path, 10, "holds elements of type `" + header.descr + "`",
       "save bool, int8..int64, uint8..uint32 or float16..float64 in little-endian order");
}

}  // namespace

at::Tensor read_npy(const std::string& path) {
  const Header header = read_header(path);
  const at::ScalarType type = scalar_type(header, path);
  if (header.fortran && header.shape.size() > 1) {
    fail(path, 10, "is in Fortran order", "save numpy.ascontiguousarray(array)");
  }
  double bytes = static_cast<double>(c10::elementSize(type));
  for (const std::int64_t size : header.shape) bytes *= static_cast<double>(size);
  const auto found = static_cast<std::int64_t>(std::filesystem::file_size(path)) - header.data_offset;
  if (static_cast<double>(found) != bytes) {
    fail(path, header.data_offset,
         "has " + std::to_string(found) + " bytes of data, its header promises " + std::to_string(static_cast<std::int64_t>(bytes)),
         kWriteAgain);
  }
  if (found == 0) return at::empty(header.shape, type);
  const at::Tensor raw = at::from_file(path, /*shared=*/false, header.data_offset + found, at::kByte);
  at::Tensor data = raw.slice(0, header.data_offset);
  if (header.data_offset % c10::elementSize(type) != 0) data = data.clone();
  return data.view(type).view(header.shape);
}

}  // namespace dsc
