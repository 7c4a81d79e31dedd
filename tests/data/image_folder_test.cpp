#include <array>
#include <map>

#include <gtest/gtest.h>

#include "data/files.h"
#include "data/image_file.h"
#include "data/tensors.h"

namespace dsc {
namespace {

using namespace test;

const fs::path kFixtures = fs::path(DSC_SOURCE_DIR) / "tests/fixtures/images";

void write_plain(const fs::path& path, int width, int height, std::uint8_t value) {
  write_bmp(path, width, height, [value](int, int) { return std::array<std::uint8_t, 3>{value, value, value}; });
}

// 8 pictures in two classes; the red channel tells them apart.
void write_folder(const fs::path& root) {
  for (int i = 0; i < 8; ++i) {
    const auto name = std::string(i % 2 ? "zebra" : "ant") + "/" + std::to_string(i) + ".bmp";
    write_bmp(root / name, 5, 4, [i](int x, int y) {
      return std::array<std::uint8_t, 3>{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(10 * x), static_cast<std::uint8_t>(20 * y)};
    });
  }
}

TEST(ImageFolder, ClassesAreSortedFoldersAndSlicesHoldAllOfThem) {
  const Folder folder;
  write_folder(folder / "train");
  const auto dataset = open_dataset(split_of(DataFormat::image_folder, folder.string(), "train"), std::nullopt);
  ASSERT_EQ(dataset->size(), 8);
  EXPECT_EQ(dataset->info().classes, 2);
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  std::map<int, std::int64_t> labels;
  for (std::int64_t i = 0; i < 8; ++i) {
    const at::Tensor image = batch.inputs[0][i];
    labels[static_cast<int>(image[0][0][0].item<float>() * 255 + 0.5f)] = labels_of(batch)[static_cast<std::size_t>(i)];
    for (std::int64_t y = 0; y < 4; ++y) for (std::int64_t x = 0; x < 5; ++x) {
      EXPECT_EQ(image[1][y][x].item<float>(), static_cast<float>(10 * x) / 255.0f);
      EXPECT_EQ(image[2][y][x].item<float>(), static_cast<float>(20 * y) / 255.0f);
    }
  }
  EXPECT_EQ(labels, (std::map<int, std::int64_t>{{0, 0}, {1, 1}, {2, 0}, {3, 1}, {4, 0}, {5, 1}, {6, 0}, {7, 1}}));
  const auto half = open_dataset(split_of(DataFormat::image_folder, folder.string(), "train[:50%]"), std::nullopt);
  const auto half_labels = labels_of(half->batch(all_of(*half), std::nullopt));
  EXPECT_EQ(std::set<std::int64_t>(half_labels.begin(), half_labels.end()).size(), 2u);
}

TEST(ImageFolder, AllMeansThePathItselfAndCropsToTheCentre) {
  const Folder folder;
  write_plain(folder / "a/wide.bmp", 9, 4, 200);
  write_plain(folder / "b/tall.bmp", 6, 12, 100);
  SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "all");
  config.image_size = 4;
  config.channels = 1;
  const auto dataset = open_dataset(config, std::nullopt);
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  ASSERT_EQ(batch.inputs[0].sizes(), (std::vector<std::int64_t>{2, 1, 4, 4}));
  for (std::int64_t i = 0; i < 2; ++i) {
    const float value = (batch.target[i].item<std::int64_t>() == 0 ? 200.0f : 100.0f) / 255.0f;
    EXPECT_TRUE(batch.inputs[0][i].equal(at::full({1, 4, 4}, value)));
  }
}

SplitConfig with_classes(const Folder& folder, const std::string& split, std::vector<std::string> classes) {
  SplitConfig config = split_of(DataFormat::image_folder, folder.string(), split);
  config.text.classes = std::move(classes);
  return config;
}

std::string notes_of(const SplitConfig& config) {
  std::string text;
  const auto dataset = open_dataset(config, std::nullopt);
  for (const auto& note : dataset->info().notes) text += note + "\n";
  return text;
}

TEST(ImageFolder, GivenClassesNumberTheLabelsWhateverFoldersThereAre) {
  const Folder folder;
  write_plain(folder / "eval/ant/0.bmp", 4, 4, 1);
  write_plain(folder / "eval/zebra/0.bmp", 4, 4, 2);
  const SplitConfig config = with_classes(folder, "eval", {"ant", "moth", "zebra"});
  const auto dataset = open_dataset(config, std::nullopt);
  EXPECT_EQ(dataset->info().classes, 3);
  const auto labels = labels_of(dataset->batch(all_of(*dataset), std::nullopt));
  EXPECT_EQ(std::set<std::int64_t>(labels.begin(), labels.end()), (std::set<std::int64_t>{0, 2}));
  EXPECT_NE(notes_of(config).find("no pictures of 1 of 3 classes: moth"), std::string::npos);
  EXPECT_EQ(class_names_of(split_of(DataFormat::image_folder, folder.string(), "eval")), (std::vector<std::string>{"ant", "zebra"}));
  const std::string unknown = error_of([&] { open_dataset(with_classes(folder, "eval", {"ants", "zebra"}), std::nullopt); });
  EXPECT_NE(unknown.find("eval/ant is none of the classes: ants, zebra"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("did you mean `ants`?"), std::string::npos) << unknown;
}

TEST(ImageFolder, HiddenFilesAreNoDataAndWhatIsSkippedIsSaid) {
  const Folder folder;
  write_folder(folder / "train");
  write_plain(folder / "train/.ipynb_checkpoints/0.bmp", 5, 4, 9);
  write_plain(folder / "train/ant/.ipynb_checkpoints/0.bmp", 5, 4, 9);
  write_bytes(folder / "train/ant/._0.bmp", {0, 5, 22, 7});
  write_bytes(folder / "train/ant/readme.TXT", {1});
  write_bytes(folder / "train/zebra/new.heic", {1});
  write_plain(folder / "train/stray.bmp", 5, 4, 9);
  fs::create_symlink(folder / "nowhere.bmp", folder / "train/ant/link.bmp");
  const SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "train");
  const auto dataset = open_dataset(config, std::nullopt);
  EXPECT_EQ(dataset->size(), 8);
  EXPECT_EQ(dataset->info().classes, 2);
  EXPECT_EQ(notes_of(config), "skipped: 3 hidden files or folders, 2 files that are no pictures (.heic 1, .txt 1), 1 pictures outside of class folders, 1 links to nothing\n");
}

TEST(ImageFolder, LinksAreFollowedOnce) {
  const Folder folder;
  write_folder(folder / "real");
  fs::create_directories(folder / "train");
  fs::create_directory_symlink(folder / "real/ant", folder / "train/ant");
  fs::create_directories(folder / "train/zebra");
  fs::create_directory_symlink(folder / "real/zebra", folder / "train/zebra/more");
  fs::create_directory_symlink(folder / "train/zebra", folder / "train/zebra/round");
  fs::create_symlink(folder / "real/ant/0.bmp", folder / "train/zebra/one.BMP");
  EXPECT_EQ(open_dataset(split_of(DataFormat::image_folder, folder.string(), "train"), std::nullopt)->size(), 9);
}

TEST(ImageFolder, FoldersOfNumbersAreInAlphabeticalOrderAndThatIsSaid) {
  const Folder folder;
  for (const auto* name : {"2", "10", "1"}) write_plain(folder / "train" / name / "0.bmp", 4, 4, 1);
  EXPECT_NE(notes_of(split_of(DataFormat::image_folder, folder.string(), "train")).find("alphabetical order, as in torchvision: 1, 10, 2"), std::string::npos);
  EXPECT_EQ(notes_of(with_classes(folder, "train", {"1", "2", "10"})), "");
}

TEST(ImageFolder, OneClassIsOne) {
  const Folder folder;
  write_plain(folder / "train/only/0.bmp", 4, 4, 1);
  EXPECT_EQ(open_dataset(split_of(DataFormat::image_folder, folder.string(), "train"), std::nullopt)->info().classes, 1);
}

TEST(ImageFolder, TheFirstBytesSayWhatAFileIs) {
  const Folder folder;
  fs::create_directories(folder / "train/a");
  fs::copy_file(kFixtures / "colour.webp", folder / "train/a/liar.jpg");
  EXPECT_EQ(open_dataset(split_of(DataFormat::image_folder, folder.string(), "train"), std::nullopt)->size(), 1);
  const auto refused = [&](const Bytes& bytes) {
    write_bytes(folder / "train/a/bad.png", bytes);
    SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "train");
    config.image_size = 16;
    return error_of([&] {
      const auto dataset = open_dataset(config, std::nullopt);
      dataset->batch(all_of(*dataset), std::nullopt);
    });
  };
  EXPECT_NE(refused({}).find("a/bad.png: it is empty"), std::string::npos);
  EXPECT_NE(refused({0, 0, 0, 24, 'f', 't', 'y', 'p', 'a', 'v', 'i', 'f'}).find("HEIF or AVIF"), std::string::npos);
  for (const Bytes& cut : {Bytes{'R', 'I', 'F', 'F'}, Bytes{'R', 'I', 'F', 'F', 1, 2, 3}})  // found by scripts/fuzz
    EXPECT_NE(refused(cut).find("its first bytes are those of no picture format"), std::string::npos);
  // A picture that ends too early is not filled up with grey, whatever its kind.
  for (const auto* name : {"colour.jpg", "colour.png", "colour.webp", "colour.tiff", "cmyk.jpg"}) {
    Bytes bytes = read_bytes(kFixtures / name);
    bytes.resize(bytes.size() * 2 / 3);
    const std::string text = refused(bytes);
    EXPECT_NE(text.find("bad.png"), std::string::npos) << name << ": " << text;
  }
}

TEST(ImageFolder, MistakesNameTheFolderOrFile) {
  const Folder folder;
  const auto open = [&](const std::string& split) { return open_dataset(split_of(DataFormat::image_folder, folder.string(), split), std::nullopt); };
  write_folder(folder / "train");
  EXPECT_NE(error_of([&] { open("test"); }).find("it has: train"), std::string::npos);
  fs::create_directories(folder / "train/moth");
  EXPECT_NE(error_of([&] { open("train"); }).find("moth holds no images"), std::string::npos);
  write_plain(folder / "train/moth/odd.bmp", 6, 4, 1);
  EXPECT_NE(error_of([&] { open("train"); }).find("set image_size"), std::string::npos);
  write_bytes(folder / "train/moth/odd.bmp", {1, 2, 3});
  EXPECT_NE(error_of([&] { open("train"); }).find("odd.bmp"), std::string::npos);
  fs::create_directories(folder / "empty");
  EXPECT_NE(error_of([&] { open("empty"); }).find("no class folders"), std::string::npos);
}

TEST(ImageFolder, APictureThatBreaksAfterItsHeaderIsNamedByTheBatch) {
  const Folder folder;
  write_folder(folder / "train");
  Bytes png = read_bytes(kFixtures / "colour.png");
  png.resize(png.size() / 2);
  SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "train");
  config.image_size = 4;
  write_bytes(folder / "train/ant/cut.png", png);
  const auto dataset = open_dataset(config, std::nullopt);
  EXPECT_NE(error_of([&] { dataset->batch(all_of(*dataset), std::nullopt); }).find("ant/cut.png"), std::string::npos);
}

// Found by scripts/fuzz: stb asked for the 2 GB that a damaged length claimed.
TEST(ImageFolder, APictureWhosePartsAreLargerThanItIsRefusedBeforeTheyAreRead) {
  const Folder folder;
  write_folder(folder / "train");
  Bytes png = read_bytes(kFixtures / "colour.png");
  const std::string_view text(reinterpret_cast<const char*>(png.data()), png.size());
  png[text.find("IDAT") - 4] = 0x7f;
  SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "train");
  config.image_size = 4;
  write_bytes(folder / "train/ant/greedy.png", png);
  const auto dataset = open_dataset(config, std::nullopt);
  const std::string error = error_of([&] { dataset->batch(all_of(*dataset), std::nullopt); });
  EXPECT_NE(error.find("greedy.png"), std::string::npos) << error;
  EXPECT_NE(error.find("more than the file has"), std::string::npos) << error;
}

// The fixtures and what Pillow makes of them come from scripts/fixtures/images.py.
struct Recorded {
  const char* file;
  std::int64_t channels, resize, crop;
  const char* expected;
  double tolerance;  // of 255; JPEG decoders differ by so much
};

class ImageFile : public testing::TestWithParam<Recorded> {};

TEST_P(ImageFile, EqualsPillow) {
  const Recorded& recorded = GetParam();
  std::vector<std::uint8_t> planes;
  const ImageShape shape = read_image((kFixtures / recorded.file).string(), recorded.channels, recorded.resize, recorded.crop, planes);
  const at::Tensor expected = read_npy((kFixtures / recorded.expected).string());
  ASSERT_EQ(expected.sizes(), (std::vector<std::int64_t>{shape.channels, shape.height, shape.width}));
  const auto* wanted = expected.const_data_ptr<std::uint8_t>();
  double worst = 0;
  for (std::size_t i = 0; i < planes.size(); ++i) worst = std::max(worst, std::abs(double(planes[i]) - double(wanted[i])));
  EXPECT_LE(worst, recorded.tolerance);
}

INSTANTIATE_TEST_SUITE_P(Formats, ImageFile,
                         testing::Values(Recorded{"colour.png", 3, 0, 0, "colour_png.npy", 0}, Recorded{"colour.jpg", 3, 0, 0, "colour_jpg.npy", 4},
                                         Recorded{"colour.webp", 3, 0, 0, "colour_png.npy", 0}, Recorded{"colour.tiff", 3, 0, 0, "colour_png.npy", 0},
                                         Recorded{"alpha.tiff", 3, 0, 0, "colour_png.npy", 0},  // transparency is dropped
                                         Recorded{"moving.webp", 3, 0, 0, "flat.npy", 0},       // the first picture
                                         Recorded{"moving.gif", 3, 0, 0, "palette.npy", 0}, Recorded{"cmyk.jpg", 3, 0, 0, "cmyk_jpg.npy", 1},
                                         Recorded{"grey.png", 1, 0, 0, "grey_png.npy", 0}, Recorded{"colour.png", 3, 16, 16, "colour_16.npy", 0},
                                         Recorded{"colour.png", 3, 64, 60, "colour_64_60.npy", 0}));

}  // namespace
}  // namespace dsc
