#include "exec/kernels/quantized_decomposed.h"

#include <ATen/ATen.h>

#include <cmath>

#include "exec/fixture.h"

namespace dsc {
namespace {

using test::error_of;
using test::model_of;

std::int64_t quantized(double x, double scale, std::int64_t zero_point, std::int64_t low, std::int64_t high) {
  const auto rounded = static_cast<std::int64_t>(std::nearbyint(static_cast<float>(x) * static_cast<float>(1.0 / scale)));
  return std::clamp(rounded + zero_point, low, high);
}

TEST(QuantizedDecomposed, PerTensorEqualsPlainLoops) {
  const Model model = model_of(R"text(graph {
  input %x: f32[64]
  %q: u8[64] = quantized_decomposed.quantize_per_tensor.default(input=%x, scale=0.05, zero_point=17, quant_min=0, quant_max=255, dtype=u8)
  %y: f32[64] = quantized_decomposed.dequantize_per_tensor.default(input=%q, scale=0.05, zero_point=17, quant_min=0, quant_max=255, dtype=u8)
  output %q
  output %y
}
)text");
  Executor executor(model, {});
  const auto x = at::linspace(-3, 15, 64);
  const auto outputs = executor.run({x});
  EXPECT_EQ(outputs[0].scalar_type(), at::kByte);
  for (std::int64_t i = 0; i < 64; ++i) {
    const std::int64_t q = quantized(x[i].item<double>(), 0.05, 17, 0, 255);
    EXPECT_EQ(outputs[0][i].item<std::int64_t>(), q);
    EXPECT_FLOAT_EQ(outputs[1][i].item<float>(), static_cast<float>(q - 17) * 0.05F);
  }
}

TEST(QuantizedDecomposed, PerChannelEqualsPlainLoops) {
  const Model model = model_of(R"text(graph {
  buffer %s "scale": f32[3]
  buffer %z "zero": i64[3]
  input %x: f32[2, 3, 5]
  %q: i8[2, 3, 5] = quantized_decomposed.quantize_per_channel.default(input=%x, scales=%s, zero_points=%z, axis=1, quant_min=-127, quant_max=127, dtype=i8)
  %y: f32[2, 3, 5] = quantized_decomposed.dequantize_per_channel.default(input=%q, scales=%s, zero_points=%z, axis=1, quant_min=-127, quant_max=127, dtype=i8)
  %n: f32[2, 3, 5] = quantized_decomposed.dequantize_per_channel.default(input=%q, scales=%s, zero_points=None, axis=1, quant_min=-127, quant_max=127, dtype=i8)
  output %q
  output %y
  output %n
}
)text", [](const std::string& name, at::IntArrayRef) {
    return name == "scale" ? at::tensor({0.01F, 0.1F, 0.5F}) : at::tensor({0, 3, -5}, at::kLong);
  });
  Executor executor(model, {});
  const auto x = at::linspace(-9, 9, 30).view({2, 3, 5});
  const auto outputs = executor.run({x});
  const double scales[] = {0.01F, 0.1F, 0.5F};
  const std::int64_t zeros[] = {0, 3, -5};
  EXPECT_EQ(outputs[0].scalar_type(), at::kChar);
  for (std::int64_t c = 0; c < 3; ++c) {
    const auto in = x.select(1, c).contiguous().view({10}), q = outputs[0].select(1, c).contiguous().view({10});
    const auto y = outputs[1].select(1, c).contiguous().view({10}), n = outputs[2].select(1, c).contiguous().view({10});
    for (std::int64_t i = 0; i < 10; ++i) {
      const std::int64_t expected = quantized(in[i].item<double>(), scales[c], zeros[c], -127, 127);
      EXPECT_EQ(q[i].item<std::int64_t>(), expected);
      EXPECT_FLOAT_EQ(y[i].item<float>(), static_cast<float>(expected - zeros[c]) * static_cast<float>(scales[c]));
      EXPECT_FLOAT_EQ(n[i].item<float>(), static_cast<float>(expected) * static_cast<float>(scales[c]));
    }
  }
}

TEST(QuantizedDecomposed, WrongTypesAreNamed) {
  const Model model = model_of(R"text(graph {
  input %x: f64[4]
  %q: u8[4] = quantized_decomposed.quantize_per_tensor.default(input=%x, scale=0.05, zero_point=17, quant_min=0, quant_max=255, dtype=u8)
  output %q
}
)text");
  Executor executor(model, {});
  EXPECT_NE(error_of([&] { executor.run({at::ones({4}, at::kDouble)}); }).to_text().find("expects f32, found Double"), std::string::npos);
}

}  // namespace
}  // namespace dsc
