// The binary version of CIFAR-10 and CIFAR-100: records of labels and 32x32 pictures in planes R, G, B.
// CIFAR-100 records carry a coarse and a fine label; the fine one is the class.
// source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "data/images.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr ImageShape kShape{3, 32, 32};

struct CifarLayout {
  std::vector<std::string> files;
  std::int64_t label_bytes;  // the last of them is the class
  std::int64_t classes;
  std::string archive;  // as its authors call it
  std::string folder;   // that the archive unpacks into
  std::int64_t record() const { return label_bytes + kShape.bytes(); }
};

CifarLayout layout_of(const SplitConfig& split) {
  const std::string name = parse_split(split.split).name;
  const bool ten = split.format == DataFormat::cifar10;
  CifarLayout layout{.files = {},
                .label_bytes = ten ? 1 : 2,
                .classes = ten ? 10 : 100,
                .archive = ten ? "cifar-10-binary.tar.gz" : "cifar-100-binary.tar.gz",
                .folder = ten ? "cifar-10-batches-bin" : "cifar-100-binary"};
  if (name == "train") {
    if (ten) for (int i = 1; i <= 5; ++i) layout.files.push_back("data_batch_" + std::to_string(i) + ".bin");
    else layout.files = {"train.bin"};
  } else if (name == "test") {
    layout.files = {ten ? "test_batch.bin" : "test.bin"};
  } else {
    throw Error(ErrorCode::data, "split `" + split.split + "`: CIFAR has no split `" + name + "`", {},
                "use train or test, with a slice if you want a part");
  }
  return layout;
}

// Whole records in the file. errors: data
std::int64_t count_records(const fs::path& file, const CifarLayout& layout) {
  std::error_code code;
  if (!fs::is_regular_file(file, code)) {
    throw Error(ErrorCode::data, "no such file: " + file.string(), {.file = file.string()},
                "unpack " + layout.archive + " and give the folder that holds " + file.filename().string());
  }
  const auto bytes = static_cast<std::int64_t>(fs::file_size(file, code));
  if (code || bytes <= 0 || bytes % layout.record() != 0) {
    throw Error(ErrorCode::data,
                file.filename().string() + " has " + std::to_string(bytes) + " bytes, which is not a number of records of " +
                    std::to_string(layout.record()) + " bytes (" + std::to_string(layout.label_bytes) +
                    " label + 3072 pixels)",
                {.file = file.string()}, "the file is damaged or not the binary version: unpack " + layout.archive + " again");
  }
  return bytes / layout.record();
}

// Adds the records [first, first + count) of the whole split that are next in `wanted`.
void read_records(const fs::path& file, const CifarLayout& layout, std::int64_t first, std::int64_t count,
                  std::span<const std::int64_t>& wanted, MemoryImages& images) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> record(static_cast<std::size_t>(layout.record()));
  while (!wanted.empty() && wanted.front() < first + count) {
    const std::int64_t offset = (wanted.front() - first) * layout.record();
    if (in.tellg() != offset) in.seekg(offset);
    if (!in.read(record.data(), layout.record())) {
      throw Error(ErrorCode::data, "cannot read " + file.string(), {.file = file.string(), .pointer = "offset " + std::to_string(offset)},
                  "check that the file is readable and whole");
    }
    const auto label = static_cast<std::uint8_t>(record[static_cast<std::size_t>(layout.label_bytes - 1)]);
    if (label >= layout.classes) {
      throw Error(ErrorCode::data,
                  "example " + std::to_string(wanted.front()) + " has label " + std::to_string(label) + ", there are " +
                      std::to_string(layout.classes) + " classes",
                  {.file = file.string(), .pointer = "offset " + std::to_string(offset)},
                  "the file is damaged: unpack " + layout.archive + " again");
    }
    std::copy(record.begin() + layout.label_bytes, record.end(), images.add(label));
    wanted = wanted.subspan(1);
  }
}

}  // namespace

std::unique_ptr<ImageSource> open_cifar(const SplitConfig& split) {
  const CifarLayout layout = layout_of(split);
  fs::path folder = split.path.path;
  std::error_code code;
  if (!fs::exists(folder / layout.files.front(), code) && fs::exists(folder / layout.folder, code)) folder /= layout.folder;
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
  for (const std::string& file : layout.files) {
    counts.push_back(count_records(folder / file, layout));
    total += counts.back();
  }
  const std::vector<std::int64_t> selected = select_examples(split, total);
  auto images = std::make_unique<MemoryImages>(kShape, layout.classes);
  images->reserve(selected.size());
  std::span<const std::int64_t> wanted = selected;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < layout.files.size(); ++i) {
    read_records(folder / layout.files[i], layout, first, counts[i], wanted, *images);
    first += counts[i];
  }
  return images;
}

}  // namespace dsc
