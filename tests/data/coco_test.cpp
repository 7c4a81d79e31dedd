// Pictures with boxes.
#include <gtest/gtest.h>

#include "data/coco.h"
#include "data/text_files.h"

namespace dsc {
namespace {

using namespace test;

void write_ramp(const fs::path& path, int width, int height) {
  write_bmp(path, width, height,
            [](int x, int y) { return std::array<std::uint8_t, 3>{static_cast<std::uint8_t>(20 * x), static_cast<std::uint8_t>(20 * y), 7}; });
}

std::string coco_file_with(const std::string& annotations) {
  return R"({"images": [{"id": 7, "file_name": "b.bmp", "width": 12, "height": 8}, {"id": 2, "file_name": "a.bmp", "width": 6, "height": 6}],)"
         R"("categories": [{"id": 30, "name": "cat"}, {"id": 5, "name": "dog"}], "annotations": [)" +
         annotations + "]}";
}

const std::string kTwoBoxes =
    R"({"id": 1, "image_id": 7, "category_id": 30, "bbox": [1, 2, 3, 4], "area": 9.5, "iscrowd": 0}, {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 12.5, 8], "iscrowd": 1})";

void write_coco(const fs::path& root, const std::string& annotations) {
  fs::create_directories(root / "annotations");
  write_text(root / "annotations/instances_val.json", coco_file_with(annotations));
  write_ramp(root / "val/a.bmp", 6, 6);
  write_ramp(root / "val/b.bmp", 12, 8);
}

SplitConfig coco_of(const Folder& folder) {
  SplitConfig config = split_of(DataFormat::coco, folder.string(), "val");
  config.image_size = 4;
  return config;
}

TEST(Coco, PicturesComeInTheOrderOfTheirIdsWithTheirBoxes) {
  const Folder folder;
  write_coco(folder / "", kTwoBoxes);
  const auto dataset = open_dataset(coco_of(folder), std::nullopt);
  ASSERT_EQ(dataset->size(), 2);
  const auto* key = dataset->detections();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->category_ids, (std::vector<std::int64_t>{5, 30}));
  EXPECT_TRUE(key->pictures[0].boxes.empty());
  ASSERT_EQ(key->pictures[1].boxes.size(), 2U);
  EXPECT_EQ(key->pictures[1].boxes[0].category, 1);
  EXPECT_EQ(key->pictures[1].boxes[0].area, 9.5);
  EXPECT_EQ(key->pictures[1].boxes[1].area, 100);
  EXPECT_TRUE(key->pictures[1].boxes[1].is_crowd);
  EXPECT_EQ(key->pictures[1].width, 12);
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  EXPECT_EQ(batch.inputs[0].sizes(), (std::vector<std::int64_t>{2, 3, 4, 4}));
  EXPECT_FALSE(batch.target.defined());
  EXPECT_NEAR(batch.inputs[0][1][2].mean().item<double>(), 7.0 / 255, 1e-6);
  EXPECT_LT(batch.inputs[0][1][0][0][0].item<float>(), batch.inputs[0][1][0][0][3].item<float>());  // columns stay columns
}

TEST(CocoErrors, NameTheAnnotation) {
  const auto error_with = [](const std::string& annotations) {
    const Folder folder;
    write_coco(folder / "", annotations);
    return error_of([&] { open_dataset(coco_of(folder), std::nullopt); });
  };
  const auto outside = error_with(R"({"image_id": 7, "category_id": 30, "bbox": [1, 2, 30, 4]})");
  EXPECT_NE(outside.find("the box [1, 2, 30, 4] is not inside its image b.bmp of 12 x 8 pixels"), std::string::npos) << outside;
  EXPECT_NE(outside.find("/annotations/0/bbox"), std::string::npos) << outside;
  EXPECT_NE(error_with(R"({"image_id": 7, "category_id": 30, "bbox": [-5, 2, 6, 4]})").find("not inside"), std::string::npos);
  EXPECT_NE(error_with(R"({"image_id": 7, "category_id": 30, "bbox": [5, 2, -2, 4]})").find("not inside"), std::string::npos);
  EXPECT_NE(error_with(R"({"image_id": 7, "category_id": 30, "bbox": [1, 2, 3]})").find("no `bbox` of four numbers"), std::string::npos);
  EXPECT_NE(error_with(R"({"image_id": 1, "category_id": 30, "bbox": [1, 2, 3, 4]})").find("an image that `images` does not list"),
            std::string::npos);
  EXPECT_NE(error_with(R"({"image_id": 7, "category_id": 31, "bbox": [1, 2, 3, 4]})").find("a category that `categories` does not list"),
            std::string::npos);
  EXPECT_NE(error_with(R"({"category_id": 31, "bbox": [1, 2, 3, 4]})").find("`image_id` is missing"), std::string::npos);
  EXPECT_NE(error_with("{").find("is no JSON"), std::string::npos);
}

TEST(CocoErrors, OfFilesAndSettings) {
  const Folder folder;
  write_coco(folder / "", kTwoBoxes);
  SplitConfig config = coco_of(folder);
  config.augment = {HorizontalFlip{}};
  EXPECT_NE(error_of([&] { open_dataset(config, std::nullopt); }).find("leave the boxes"), std::string::npos);
  config = coco_of(folder);
  config.split = "test";
  EXPECT_NE(error_of([&] { open_dataset(config, std::nullopt); }).find("has no annotations/instances_test.json"), std::string::npos);
  fs::remove(folder / "val/b.bmp");
  EXPECT_NE(error_of([&] { open_dataset(coco_of(folder), std::nullopt); }).find("the image b.bmp of instances_val.json is not in"),
            std::string::npos);
}

}  // namespace
}  // namespace dsc
