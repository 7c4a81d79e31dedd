// Windows against the whole: networks whose receptive field fits into the overlap, and those whose does not.
#include "exec/windowed_engine.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "exec/fixture.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// A network that is a function, of any length.
class FunctionEngine : public Engine {
 public:
  using Function = std::function<at::Tensor(const at::Tensor&)>;
  explicit FunctionEngine(Function function) : function_(std::move(function)) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    longest = std::max(longest, inputs.front().size(-1));
    return {function_(inputs.front())};
  }
  std::string name() const override { return "function"; }
  std::int64_t longest = 0;

 private:
  Function function_;
};

at::Tensor in_windows(FunctionEngine::Function function, const at::Tensor& input, WindowOptions options) {
  FunctionEngine inner(std::move(function));
  WindowedEngine engine(inner, options);
  const at::Tensor output = engine.run({input}).at(0);
  EXPECT_LE(inner.longest, options.size);
  return output;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return a.sizes() == b.sizes() ? (a - b).abs().max().item<double>() : 1e9; }

// Two convolutions of five steps see four to each side.
at::Tensor convolutions(const at::Tensor& x) {
  const auto first = test::noise({6, 3, 5}, 1, 0.3), second = test::noise({4, 6, 5}, 2, 0.3);
  return at::conv1d(at::relu(at::conv1d(x, first, {}, 1, 2)), second, {}, 1, 2);
}

TEST(WindowedEngine, IsTheWholeWhereTheReceptiveFieldFits) {
  for (const std::int64_t steps : {100, 32, 33, 57, 20}) {
    const auto series = test::noise({2, 3, steps}, 3);
    const auto whole = convolutions(series);
    EXPECT_LE(largest_difference(in_windows(convolutions, series, {.size = 32, .overlap = 8}), whole), 1e-6) << steps;
  }
  const auto series = test::noise({2, 3, 100}, 3);
  EXPECT_GT(largest_difference(in_windows(convolutions, series, {.size = 32, .overlap = 4}), convolutions(series)), 1e-3);
}

TEST(WindowedEngine, CutsRowsAndColumnsOfPictures) {
  const auto weight = test::noise({2, 3, 3, 3}, 1, 0.3);
  const auto network = [&](const at::Tensor& x) { return at::conv2d(x, weight, {}, 1, 1); };
  const auto pictures = test::noise({2, 3, 41, 50}, 2);
  EXPECT_LE(largest_difference(in_windows(network, pictures, {.size = 16, .overlap = 2}), network(pictures)), 1e-6);
}

// Tokens are the second dimension of inputs [N, T] and of outputs [N, T, vocabulary]; recurrent layouts name theirs.
TEST(WindowedEngine, CutsTokensAndNamedDimensions) {
  const auto table = test::noise({11, 7}, 1);
  const auto ids = at::arange(60).remainder(11).view({2, 30});
  const auto embed = [&](const at::Tensor& x) { return at::embedding(table, x); };
  EXPECT_TRUE(in_windows(embed, ids, {.size = 8, .overlap = 2}).equal(embed(ids)));
  const auto series = test::noise({2, 30, 3}, 2);
  const auto twice = [](const at::Tensor& x) { return 2 * x; };
  EXPECT_TRUE(in_windows(twice, series, {.size = 8, .overlap = 2, .dims = {1}}).equal(twice(series)));
}

TEST(WindowedEngine, MeansAreThoseOfTheWindowsThatCoverAPosition) {
  const auto series = at::arange(10, at::kFloat).view({1, 1, 10});
  const auto from_start = [](const at::Tensor& x) { return x - x.narrow(2, 0, 1); };  // 0, 1, 2, 3 in each window
  const auto found = in_windows(from_start, series, {.size = 4, .overlap = 2, .merge = WindowMerge::mean});
  EXPECT_TRUE(found.flatten().equal(at::tensor({0.F, 1.F, 1.F, 2.F, 1.F, 2.F, 1.F, 2.F, 2.F, 3.F})));
}

// The windows of one dimension that cover a position, first and last alike ending where the input does.
std::vector<std::int64_t> starts_covering(std::int64_t position, std::int64_t positions, std::int64_t size, std::int64_t overlap) {
  std::vector<std::int64_t> starts;
  for (std::int64_t start = 0, last = -1; last != positions - size; start += size - overlap) {
    last = std::min(start, positions - size);
    if (last <= position && position < last + size) starts.push_back(last);
  }
  return starts;
}

// The one in whose middle a position is nearest; of two equally near the later.
std::int64_t nearest_start(const std::vector<std::int64_t>& starts, std::int64_t position, std::int64_t size) {
  const auto distance = [&](std::int64_t start) { return std::abs(2 * position + 1 - (2 * start + size)); };
  std::int64_t best = starts.front();
  for (const std::int64_t start : starts) best = distance(start) <= distance(best) ? start : best;
  return best;
}

// Says something else of a position in each window: x[t] times the position in the window, from 1.
TEST(WindowedEngine, MergesAsAPlainLoopOverPositionsDoes) {
  const auto network = [](const at::Tensor& x) { return x * at::arange(1, x.size(2) + 1, at::kFloat); };
  for (const auto& [positions, size, overlap] : {std::tuple(30, 8, 3), std::tuple(31, 8, 6), std::tuple(17, 9, 0), std::tuple(10, 9, 8)}) {
    const auto series = test::noise({2, 3, positions}, 5);
    const auto centre = in_windows(network, series, {.size = size, .overlap = overlap}),
               mean = in_windows(network, series, {.size = size, .overlap = overlap, .merge = WindowMerge::mean});
    for (std::int64_t t = 0; t < positions; ++t) {
      const auto starts = starts_covering(t, positions, size, overlap);
      double sum = 0;
      for (const std::int64_t start : starts) sum += static_cast<double>(t - start + 1);
      const double kept = static_cast<double>(t - nearest_start(starts, t, size) + 1), x = series[1][2][t].item<double>();
      EXPECT_NEAR(centre[1][2][t].item<double>(), x * kept, 1e-6) << positions << ": " << t;
      EXPECT_NEAR(mean[1][2][t].item<double>(), x * sum / static_cast<double>(starts.size()), 1e-5) << positions << ": " << t;
    }
  }
}

TEST(WindowedEngine, MergesRowsAndColumnsAsAPlainLoopDoes) {
  const auto network = [](const at::Tensor& x) {
    return x + at::arange(x.size(2), at::kFloat).unsqueeze(1) + 100 * at::arange(x.size(3), at::kFloat);
  };
  const auto pictures = at::zeros({1, 1, 20, 13});
  const WindowOptions options{.size = 6, .overlap = 3};
  const auto centre = in_windows(network, pictures, options);
  for (std::int64_t y = 0; y < 20; ++y) {
    for (std::int64_t x = 0; x < 13; ++x) {
      const std::int64_t row = y - nearest_start(starts_covering(y, 20, 6, 3), y, 6), column = x - nearest_start(starts_covering(x, 13, 6, 3), x, 6);
      EXPECT_EQ(centre[0][0][y][x].item<float>(), static_cast<float>(row + 100 * column)) << y << " " << x;
    }
  }
}

// What has no positions is given whole: lengths, or features beside a series, whichever comes first.
TEST(WindowedEngine, CutsTheInputWithMostDimensionsAndOthersOfItsSizes) {
  class Recorder : public Engine {
   public:
    std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
      for (const auto& input : inputs) seen.push_back(input.sizes().vec());
      return {inputs[1]};
    }
    std::string name() const override { return "recorder"; }
    std::vector<std::vector<std::int64_t>> seen;
  } recorder;
  WindowedEngine(recorder, {.size = 8}).run({at::zeros({2, 30}), at::zeros({2, 3, 16}), at::zeros({2, 1, 16})});
  EXPECT_EQ(recorder.seen, (std::vector<std::vector<std::int64_t>>{{2, 30}, {2, 3, 8}, {2, 1, 8}, {2, 30}, {2, 3, 8}, {2, 1, 8}}));
}

TEST(WindowedEngine, SaysWhichDimensionsItCannotCut) {
  FunctionEngine inner([](const at::Tensor& x) { return x; });
  const auto message = [&](const at::Tensor& input, WindowOptions options) {
    return std::string(test::error_of([&] { WindowedEngine(inner, options).run({input}); }).what());
  };
  EXPECT_NE(message(at::zeros({2, 3, 9, 9, 9}), {.size = 4}).find("windows of an input of 5 dimensions are not known"), std::string::npos);
  EXPECT_NE(message(at::zeros({2, 9}), {.size = 4, .dims = {2}}).find("windows of an input of 2 dimensions cannot cut dimension 2"),
            std::string::npos);
}

TEST(WindowedEngine, ScoresOfClassesAreAveraged) {
  const auto series = test::noise({2, 3, 30}, 3);
  const auto pooled = [](const at::Tensor& x) { return x.mean({2}); };
  const auto found = in_windows(pooled, series, {.size = 10, .overlap = 0, .merge = WindowMerge::mean});
  EXPECT_LE(largest_difference(found, pooled(series)), 1e-6);
  FunctionEngine inner(pooled);
  const auto error = test::error_of([&] { WindowedEngine(inner, {.size = 10}).run({series}); });
  EXPECT_NE(std::string(error.what()).find("has no place for each position of a window"), std::string::npos) << error.what();
}

TEST(WindowedEngine, EveryPositionIsKeptOnce) {
  for (const std::int64_t positions : {1, 7, 8, 9, 30, 31, 100}) {
    std::int64_t next = 0;
    for (const WindowSpan& span : window_spans(positions, 8, 3)) {
      EXPECT_EQ(span.kept_begin, next);
      EXPECT_LE(span.begin, span.kept_begin);
      EXPECT_GE(span.end, span.kept_end);
      next = span.kept_end;
    }
    EXPECT_EQ(next, positions);
  }
}

}  // namespace
}  // namespace dsc
