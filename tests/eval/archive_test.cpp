// Real time series of the UCR archive: the nearest training series is right as often as the archive says.
// What the files are read as is thereby checked, too. source: "UCR Time Series Classification Archive", 2018, DataSummary.csv: error rates of 1-NN
// with Euclidean distance and with DTW without a window.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/open.h"
#include "eval/warping.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

struct Series {
  at::Tensor values;  // [N, steps, 1] f64
  at::Tensor labels;
};

Series archived(const std::string& folder, const std::string& name) {
  SplitConfig split;
  split.format = DataFormat::series;
  split.path.path = folder;
  split.split = name;
  const auto data = open_dataset(split, std::nullopt);
  std::vector<std::int64_t> all(static_cast<std::size_t>(data->size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
  const Batch batch = data->batch(all, std::nullopt);
  return {batch.inputs[0].transpose(1, 2).to(at::kDouble).contiguous(), batch.target};
}

double error_rate(const Series& train, const Series& test, std::int64_t band) {
  const auto nearest = nearest_by_warping(test.values, train.values, band, false);
  return train.labels.index_select(0, at::tensor(nearest)).ne(test.labels).to(at::kDouble).mean().item<double>();
}

TEST(Archive, NearestSeriesAreRightAsOftenAsPublished) {
  struct Published {
    const char* name;
    double euclidean, warped;
  };
  for (const auto& [name, euclidean, warped] :
       {Published{"GunPoint", 0.0867, 0.0933}, Published{"ECG200", 0.12, 0.23}, Published{"ItalyPowerDemand", 0.0447, 0.0496}}) {
    const std::string folder = test::data_file(std::string("ucr/") + name);
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << test::data_missing(std::string("ucr/") + name);
    const Series known = archived(folder, "train"), asked = archived(folder, "test");
    EXPECT_NEAR(error_rate(known, asked, 0), warped, 5e-5) << name;
    const at::Tensor distances = at::cdist(asked.values.flatten(1), known.values.flatten(1));
    EXPECT_NEAR(known.labels.index_select(0, distances.argmin(1)).ne(asked.labels).to(at::kDouble).mean().item<double>(), euclidean, 5e-5) << name;
  }
}

}  // namespace
}  // namespace dsc
