// MNIST's IDX files, plain or gzipped: images (magic 0x803: count, rows, columns) and labels (magic 0x801: count).
// source: the description of the format on the MNIST page, LeCun et al.
#include <zlib.h>

#include <algorithm>
#include <filesystem>

#include "data/images.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// Reads a plain or gzipped file from start to end.
class IdxFile {
 public:
  explicit IdxFile(fs::path path) : path_(std::move(path)), file_(gzopen(path_.c_str(), "rb")) {
    if (!file_) throw Error(ErrorCode::data, "cannot open " + path_.string(), place(), "check that the file is readable");
    gzbuffer(file_, 1 << 17);
  }
  ~IdxFile() { gzclose(file_); }
  IdxFile(const IdxFile&) = delete;
  IdxFile& operator=(const IdxFile&) = delete;

  void read(void* out, std::int64_t bytes) {
    const int got = gzread(file_, out, static_cast<unsigned>(bytes));
    if (got == bytes) {
      offset_ += bytes;
      return;
    }
    int code = 0;
    const std::string reason = gzerror(file_, &code);
    fail(code == Z_OK || code == Z_BUF_ERROR ? "ends early" : "is damaged (" + reason + ")");
  }
  std::int64_t read_number() {
    std::uint8_t bytes[4];
    read(bytes, 4);
    return std::int64_t{bytes[0]} << 24 | std::int64_t{bytes[1]} << 16 | std::int64_t{bytes[2]} << 8 | bytes[3];
  }
  // Checks the magic number and reads the count of examples, each of `bytes` bytes once the caller knows.
  std::int64_t read_count(std::int64_t magic, const char* what) {
    const std::int64_t found = read_number();
    if (found != magic) {
      fail("starts with " + std::to_string(found) + ", IDX " + what + " start with " + std::to_string(magic));
    }
    return read_number();
  }
  // Refuses a header that promises more than the file can hold, before memory is taken for it.
  void expect_bytes(std::int64_t bytes) const {
    constexpr std::int64_t kMaxDeflateRatio = 1032;
    std::error_code code;
    const auto size = static_cast<std::int64_t>(fs::file_size(path_, code));
    if (bytes / kMaxDeflateRatio > size || (gzdirect(file_) && bytes + offset_ != size)) {
      fail("has a header that promises " + std::to_string(bytes) + " bytes, the file has " + std::to_string(size));
    }
  }
  void expect_end() {
    char byte;
    const int got = gzread(file_, &byte, 1);
    if (got > 0) fail("is longer than its header says");
    int code = 0;
    const std::string reason = gzerror(file_, &code);
    if (code == Z_BUF_ERROR) fail("ends early");
    if (got < 0) fail("is damaged (" + reason + ")");
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::data, path_.filename().string() + " " + what, place(), "fetch or unpack the file again");
  }

 private:
  Place place() const { return {.file = path_.string(), .pointer = "offset " + std::to_string(offset_)}; }

  fs::path path_;
  gzFile file_;
  std::int64_t offset_ = 0;  // in the unpacked data
};

fs::path find_idx(const fs::path& folder, const std::string& stem, const std::string& suffix) {
  std::error_code code;
  for (const char* joint : {"-", "."}) {
    for (const char* packed : {"", ".gz"}) {
      const fs::path file = folder / (stem + joint + suffix + packed);
      if (fs::is_regular_file(file, code)) return file;
    }
  }
  throw Error(ErrorCode::data, "no such file: " + (folder / (stem + "-" + suffix)).string() + " (nor with .gz)",
              {.file = folder.string()},
              "give the folder with the IDX files; Debian's dataset-fashion-mnist installs Fashion-MNIST in "
              "/usr/share/datasets/fashion-mnist");
}

std::vector<std::uint8_t> read_labels(const fs::path& path) {
  IdxFile file(path);
  const std::int64_t count = file.read_count(0x801, "labels");
  file.expect_bytes(count);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(count));
  file.read(labels.data(), count);
  file.expect_end();
  return labels;
}

}  // namespace

std::unique_ptr<ImageSource> open_idx(const SplitConfig& split) {
  const std::string name = parse_split(split.split).name;
  if (name != "train" && name != "test") {
    throw Error(ErrorCode::data, "split `" + split.split + "`: MNIST has no split `" + name + "`", {},
                "use train or test, with a slice if you want a part");
  }
  const std::string stem = name == "train" ? "train" : "t10k";
  const fs::path folder = split.path.path;
  const fs::path image_path = find_idx(folder, stem + "-images", "idx3-ubyte");
  const std::vector<std::uint8_t> labels = read_labels(find_idx(folder, stem + "-labels", "idx1-ubyte"));

  IdxFile file(image_path);
  const std::int64_t count = file.read_count(0x803, "images");
  const std::int64_t rows = file.read_number(), columns = file.read_number();
  if (rows < 1 || columns < 1 || rows > 4096 || columns > 4096) {
    file.fail("has images of " + std::to_string(rows) + "x" + std::to_string(columns));
  }
  file.expect_bytes(count * rows * columns);
  if (count != static_cast<std::int64_t>(labels.size())) {
    file.fail("has " + std::to_string(count) + " images, its label file has " + std::to_string(labels.size()) + " labels");
  }
  const std::vector<std::int64_t> selected = select_examples(split, count);
  const std::int64_t classes = *std::max_element(labels.begin(), labels.end()) + 1;
  auto images = std::make_unique<MemoryImages>(ImageShape{1, rows, columns}, classes);
  images->reserve(selected.size());
  std::vector<std::uint8_t> skipped(static_cast<std::size_t>(rows * columns));
  std::size_t next = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool wanted = next < selected.size() && selected[next] == i;
    file.read(wanted ? images->add(labels[static_cast<std::size_t>(i)]) : skipped.data(), rows * columns);
    if (wanted) ++next;
  }
  file.expect_end();
  return images;
}

}  // namespace dsc
