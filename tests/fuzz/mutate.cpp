#include "fuzz/mutate.h"

#include <caffe2/serialize/inline_container.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <sstream>

namespace dsc::fuzz {
namespace {

constexpr int kMostChanges = 8;
constexpr std::int64_t kLongestStretch = 64;
constexpr std::int64_t kManyRepeats = 2000;  // of a stretch: deep nesting, long lists
constexpr std::size_t kLargestFile = 4 << 20;
constexpr std::array<std::int64_t, 14> kNumbers = {0, 1, -1, 7, 127, 128, 255, 256, 32767, 65535, 0x7FFFFFFF, -0x80000000LL, 0x7FFFFFFFFFFFFFFF, 0x100000000};
constexpr std::array<const char*, 12> kDigits = {"0", "-1", "1", "9999999999", "18446744073709551616", "-9223372036854775808", "1e999", "4294967295", "65536", "2147483648", "0.5", "null"};

template <class T>
void put(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

}  // namespace

std::size_t Mutator::place(const std::string& bytes) { return static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(bytes.size()) + 1)); }

std::string Mutator::mutate(std::string bytes, const std::string& other) {
  const auto changes = 1 + random_.below(kMostChanges);
  for (std::int64_t i = 0; i < changes; ++i) change_once(bytes, other);
  if (bytes.size() > kLargestFile) bytes.resize(kLargestFile);
  return bytes;
}

void Mutator::change_once(std::string& bytes, const std::string& other) {
  const auto at = place(bytes);
  const auto length = static_cast<std::size_t>(1 + random_.below(kLongestStretch));
  switch (random_.below(12)) {
    case 0:
    case 1:
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_.below(8)));
      break;
    case 2:
      if (at < bytes.size()) bytes[at] = static_cast<char>(random_.below(256));
      break;
    case 3: bytes.erase(at, length); break;
    case 4: bytes.insert(at, bytes.substr(place(bytes), length)); break;
    case 5: bytes.insert(at, other.substr(place(other), 4 * length)); break;
    case 6: bytes.resize(at); break;
    case 7: change_number(bytes); break;
    case 8:
    case 9: change_digits(bytes); break;
    case 10:
      if (!words_.empty()) bytes.insert(at, words_[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(words_.size())))]);
      break;
    default: {
      if (random_.below(8)) break;  // rarely: it makes files large
      const auto stretch = bytes.substr(at, 1 + length / 8);
      std::string many;
      for (auto i = random_.below(kManyRepeats); i >= 0; --i) many += stretch;
      bytes.insert(at, many);
    }
  }
}

void Mutator::change_number(std::string& bytes) {
  const std::size_t width = std::size_t{1} << random_.below(4);
  if (bytes.size() < width) return;
  const auto at = static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(bytes.size() - width) + 1));
  const auto value = kNumbers[static_cast<std::size_t>(random_.below(kNumbers.size()))];
  std::memcpy(bytes.data() + at, &value, width);
}

// The next decimal number behind a random place becomes another.
void Mutator::change_digits(std::string& bytes) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const auto first = std::find_if(bytes.begin() + static_cast<std::ptrdiff_t>(place(bytes)), bytes.end(), is_digit);
  const auto last = std::find_if_not(first, bytes.end(), is_digit);
  if (first == bytes.end()) return;
  const std::string_view digits = kDigits[static_cast<std::size_t>(random_.below(kDigits.size()))];
  bytes.replace(first, last, digits.begin(), digits.end());
}

std::string mutate_archive(const std::string& archive, Random& random, const std::function<std::string(const std::string&)>& mutate) {
  std::istringstream stream(archive);
  caffe2::serialize::PyTorchStreamReader source(&stream);
  std::string out, directory;
  const auto entries = source.getAllRecords();
  const auto chosen = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(entries.size())));
  std::uint16_t count = 0;
  for (const std::string& entry : entries) {
    const auto [data, size] = source.getRecord(entry);
    std::string content(static_cast<const char*>(data.get()), size);
    if (entry == entries[chosen] || random.below(6) == 0) content = mutate(content);
    const std::string name = "archive/" + entry;
    std::string facts;  // what a local header and a directory entry share
    for (const std::uint16_t field : {20, 0, 0, 0, 0}) put(facts, field);  // version, flags, stored, time, date
    put(facts, static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size())));
    for (int i = 0; i < 2; ++i) put(facts, static_cast<std::uint32_t>(content.size()));
    put(facts, static_cast<std::uint16_t>(name.size()));
    put(facts, std::uint16_t{0});
    directory += std::string("PK\1\2", 4) + std::string("\x14\0", 2) + facts;
    directory += std::string(10, '\0');  // comment, disk, attributes
    put(directory, static_cast<std::uint32_t>(out.size()));
    directory += name;
    out += std::string("PK\3\4", 4) + facts + name + content;
    ++count;
  }
  const auto start = static_cast<std::uint32_t>(out.size());
  out += directory + std::string("PK\5\6\0\0\0\0", 8);
  for (int i = 0; i < 2; ++i) put(out, count);
  put(out, static_cast<std::uint32_t>(directory.size()));
  put(out, start);
  put(out, std::uint16_t{0});
  return out;
}

std::string mutate_header(const std::string& file, const std::function<std::string(const std::string&)>& mutate) {
  std::uint64_t size = 0;
  std::memcpy(&size, file.data(), sizeof(size));
  const auto header = mutate(file.substr(sizeof(size), size));
  std::string out;
  put(out, static_cast<std::uint64_t>(header.size()));
  return out + header + file.substr(sizeof(size) + size);
}

}  // namespace dsc::fuzz
