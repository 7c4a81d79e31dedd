// Files cut short and with flipped bits: each either still reads, or is refused as data.
#include <ATen/ops/arange.h>

#include <gtest/gtest.h>

#include "core/random.h"
#include "data/files.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

using namespace test;

struct Damaged {
  const char* name;
  DataFormat format;
  const char* split;
  std::string file;                                     // that is damaged, below the data's folder
  std::function<void(const fs::path& folder)> write;    // all files, whole
};

void write_idx(const fs::path& folder) {
  write_gzip(folder / "train-images-idx3-ubyte.gz", idx_images(6, 9, 7));
  write_bytes(folder / "train-labels-idx1-ubyte", idx_labels({0, 1, 2, 3, 4, 5}));
}

std::function<void(const fs::path&)> write_picture(const std::string& name) {
  return [name](const fs::path& folder) {
    fs::create_directories(folder / "train/a");
    fs::copy_file(fs::path(DSC_SOURCE_DIR) / "tests/fixtures/images" / name, folder / "train/a" / name);
  };
}

class Damage : public testing::TestWithParam<Damaged> {
 protected:
  // Opens the data and reads every example. returns: whether it could.
  bool reads(const fs::path& folder) {
    try {
      SplitConfig config = split_of(GetParam().format, folder.string(), GetParam().split);
      config.image_size = GetParam().format == DataFormat::image_folder ? 16 : 0;
      const auto dataset = open_dataset(config, std::nullopt);
      dataset->batch(all_of(*dataset), std::nullopt);
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::data) << error.to_text();
      EXPECT_NE(error.to_text().find(fs::path(GetParam().file).stem().stem().string()), std::string::npos) << error.to_text();
      return false;
    }
  }
};

TEST_P(Damage, IsRefusedOrHarmless) {
  const Folder folder;
  GetParam().write(folder / "");
  ASSERT_TRUE(reads(folder / ""));
  const fs::path file = folder / GetParam().file;
  const Bytes whole = read_bytes(file);
  Random random(1);
  for (int i = 0; i < 60; ++i) {
    Bytes cut = whole;
    cut.resize(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(whole.size()))));
    write_bytes(file, cut);
    reads(folder / "");
    Bytes flipped = whole;
    const auto at = static_cast<std::size_t>(random.below(std::min<std::int64_t>(static_cast<std::int64_t>(whole.size()), 300)));
    flipped[at] = static_cast<std::uint8_t>(flipped[at] ^ (1u << random.below(8)));
    write_bytes(file, flipped);
    reads(folder / "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, Damage,
    testing::Values(
        Damaged{"cifar10", DataFormat::cifar10, "train", "data_batch_3.bin", [](const fs::path& folder) { write_cifar(folder, 2); }},
        Damaged{"idx_images", DataFormat::mnist, "train", "train-images-idx3-ubyte.gz", write_idx},
        Damaged{"idx_labels", DataFormat::mnist, "train", "train-labels-idx1-ubyte", write_idx},
        Damaged{"png", DataFormat::image_folder, "train", "train/a/colour.png", write_picture("colour.png")},
        Damaged{"jpeg", DataFormat::image_folder, "train", "train/a/colour.jpg", write_picture("colour.jpg")},
        Damaged{"webp", DataFormat::image_folder, "train", "train/a/colour.webp", write_picture("colour.webp")},
        Damaged{"tiff", DataFormat::image_folder, "train", "train/a/colour.tiff", write_picture("colour.tiff")},
        Damaged{"gif", DataFormat::image_folder, "train", "train/a/moving.gif", write_picture("moving.gif")},
        Damaged{"animation", DataFormat::image_folder, "train", "train/a/moving.webp", write_picture("moving.webp")},
        Damaged{"npy", DataFormat::tensors, "all", "x.npy",
                [](const fs::path& folder) { write_npy<float>(folder / "x.npy", "<f4", "(3, 2)", {1, 2, 3, 4, 5, 6}); }},
        Damaged{"safetensors", DataFormat::tensors, "train", "train.safetensors",
                [](const fs::path& folder) {
                  write_safetensors((folder / "train.safetensors").string(),
                                    {.tensors = {{"x", at::arange(12, at::kFloat).view({3, 4})}}, .metadata = {}});
                }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dsc
