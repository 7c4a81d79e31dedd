// Random networks as graph text, drawn from the ways in which operators tie channels: property tests cut them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace dsc::test {

// Writes a network block by block. A block starts from a feature map [N, C, H, W], later from tokens [N, T, C], and is
// bounded by tanh, so that rounding stays small however deep the network is.
class RandomNetwork {
 public:
  explicit RandomNetwork(std::uint64_t seed) : seed_(seed) {}

  std::string write(int image_blocks, int token_blocks) {
    body_ = "  input %x: f32[s0{2}, 3, 6, 6]\n  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)\n";
    current_ = conv("%x", 3, channels_ = 8 + 4 * pick(3));
    for (int i = 0; i < image_blocks; ++i) image_block();
    to_tokens();
    for (int i = 0; i < token_blocks; ++i) token_block();
    std::string mean = node("aten.mean.dim(self=" + current_ + ", dim=[1])");
    std::string out = linear(mean, channels_, 5);
    return parameters_ + body_ + "  output " + out + "\n";
  }

 private:
  std::int64_t pick(std::int64_t count) { return static_cast<std::int64_t>(derive_seed(seed_, "choice", choices_++) % static_cast<std::uint64_t>(count)); }
  static std::string text(std::int64_t number) { return std::to_string(number); }

  std::string node(const std::string& call) {
    std::string name = "%v" + text(values_++);
    body_ += "  " + name + ": f32[] = " + call + "\n";
    return name;
  }
  std::vector<std::string> nodes(int count, const std::string& call) {
    std::vector<std::string> names;
    std::string line;
    for (int i = 0; i < count; ++i) {
      names.push_back("%v" + text(values_++));
      line += (i > 0 ? ", " : "") + names.back() + ": f32[]";
    }
    body_ += "  [" + line + "] = " + call + "\n";
    return names;
  }
  std::string parameter(const std::string& name, const std::string& sizes) {
    std::string value = "%p" + text(weights_++);
    parameters_ += "  param " + value + " \"m" + text(weights_) + "." + name + "\": f32[" + sizes + "]\n";
    return value;
  }
  std::string apply(const std::string& op, const std::string& self) { return node(op + "(self=" + self + ")"); }
  std::string add(const std::string& a, const std::string& b) { return node("aten.add.Tensor(self=" + a + ", other=" + b + ")"); }
  std::string mul(const std::string& a, const std::string& b) { return node("aten.mul.Tensor(self=" + a + ", other=" + b + ")"); }

  std::string conv(const std::string& input, std::int64_t from, std::int64_t to, std::int64_t groups = 1, int kernel = 1) {
    std::string weight = parameter("weight", text(to) + ", " + text(from / groups) + ", " + text(kernel) + ", " + text(kernel));
    std::string bias = pick(2) ? parameter("bias", text(to)) : "None";
    std::string pad = text(kernel / 2);
    return node("aten.conv2d.default(input=" + input + ", weight=" + weight + ", bias=" + bias + ", stride=[1, 1], padding=[" + pad + ", " + pad +
                "], dilation=[1, 1], groups=" + text(groups) + ")");
  }
  std::string linear(const std::string& input, std::int64_t from, std::int64_t to) {
    std::string weight = parameter("weight", text(to) + ", " + text(from));
    std::string bias = pick(2) ? parameter("bias", text(to)) : "None";
    return node("aten.linear.default(input=" + input + ", weight=" + weight + ", bias=" + bias + ")");
  }
  std::string batch_norm(const std::string& input, std::int64_t channels) {
    std::string size = text(channels);
    std::string weight = parameter("weight", size), bias = parameter("bias", size), mean = parameter("mean", size), var = parameter("var", size);
    return node("aten.batch_norm.default(input=" + input + ", weight=" + weight + ", bias=" + bias + ", running_mean=" + mean + ", running_var=" + var +
                ", training=false, momentum=0.1, eps=1e-05, cudnn_enabled=true)");
  }
  std::string shape(std::int64_t a, std::int64_t b) { return "[%n, " + text(a) + ", " + text(b) + ", " + text(height_) + ", " + text(height_) + "]"; }
  std::string view(const std::string& self, const std::string& sizes) { return node("aten.reshape.default(self=" + self + ", shape=" + sizes + ")"); }

  void image_block() {
    std::string x = apply("aten.tanh.default", current_);
    switch (pick(12)) {
      case 0: current_ = add(x, batch_norm(conv(apply("aten.relu.default", conv(x, channels_, 12)), 12, channels_, 1, 3), channels_)); break;
      case 1: current_ = grouped(x); break;
      case 2: current_ = conv(x, channels_, channels_, channels_, 3); break;  // depthwise
      case 3: {
        std::string a = conv(x, channels_, 8), b = conv(x, channels_, 4);
        current_ = node("aten.cat.default(tensors=[" + a + ", " + x + ", " + b + "], dim=1)");
        channels_ += 12;
        break;
      }
      case 4: {
        auto half = nodes(2, "aten.chunk.default(self=" + x + ", chunks=2, dim=1)");
        current_ = mul(half[0], node("aten.sigmoid.default(self=" + half[1] + ")"));
        channels_ /= 2;
        break;
      }
      case 5: {
        std::int64_t start = pick(3), kept = channels_ - 4;
        current_ = node("aten.slice.Tensor(self=" + x + ", dim=1, start=" + text(start) + ", end=" + text(start + kept) + ")");
        channels_ = kept;
        break;
      }
      case 6: {
        std::string wide = conv(x, channels_, channels_ + 4);
        current_ = add(wide, node("aten.pad.default(self=" + x + ", pad=[0, 0, 0, 0, 2, 2])"));
        channels_ += 4;
        break;
      }
      case 7: current_ = gate(x); break;
      case 8: current_ = shuffle(x); break;
      case 9: {
        current_ = node("aten.pixel_shuffle.default(self=" + conv(x, channels_, 8 * 4) + ", upscale_factor=2)");
        current_ = node("aten.avg_pool2d.default(self=" + current_ + ", kernel_size=[2, 2])");
        channels_ = 8;
        break;
      }
      case 10: current_ = transposed(x); break;
      default: {
        current_ = node("aten.group_norm.default(input=" + conv(x, channels_, 12) + ", num_groups=3, weight=" + parameter("weight", "12") + ", bias=" + parameter("bias", "12") + ")");
        channels_ = 12;
      }
    }
    if (channels_ < 8 || channels_ % 4) current_ = conv(current_, channels_, 12), channels_ = 12;
  }

  std::string grouped(const std::string& x) {
    std::int64_t to = 4 * (2 + pick(3)), groups = pick(2) ? 2 : 4;
    std::string y = conv(x, channels_, to, groups, 3);
    channels_ = to;
    return y;
  }
  std::string gate(const std::string& x) {
    std::string mean = node("aten.mean.dim(self=" + x + ", dim=[2, 3], keepdim=true)");
    std::string scale = conv(apply("aten.relu.default", conv(mean, channels_, 6)), 6, channels_);
    return mul(x, apply("aten.sigmoid.default", scale));
  }
  std::string shuffle(const std::string& x) {
    std::int64_t groups = pick(2) ? 2 : 4;
    std::string y = node("aten.transpose.int(self=" + view(x, shape(groups, channels_ / groups)) + ", dim0=1, dim1=2)");
    return view(y, "[%n, " + text(channels_) + ", " + text(height_) + ", " + text(height_) + "]");
  }
  std::string transposed(const std::string& x) {
    std::string weight = parameter("weight", text(channels_) + ", 8, 1, 1"), bias = parameter("bias", "8");
    channels_ = 8;
    return node("aten.conv_transpose2d.input(input=" + x + ", weight=" + weight + ", bias=" + bias + ")");
  }

  void to_tokens() {
    std::string flat = node("aten.flatten.using_ints(self=" + current_ + ", start_dim=2)");
    current_ = linear(node("aten.transpose.int(self=" + flat + ", dim0=1, dim1=2)"), channels_, 24);
    channels_ = 24;
    if (pick(2)) current_ = add(current_, parameter("position", text(height_ * height_) + ", 24"));
  }

  void token_block() {
    std::string x = apply("aten.tanh.default", current_);
    switch (pick(6)) {
      case 0: current_ = add(x, fused_attention(x)); break;
      case 1: current_ = add(x, grouped_attention(x)); break;
      case 2: current_ = add(x, linear(mul(apply("aten.silu.default", linear(x, 24, 16)), linear(x, 24, 16)), 16, 24)); break;
      case 3: {
        std::string heads = node("aten.einsum.default(equation=\"btd,hde->bthe\", tensors=[" + x + ", " + parameter("weight", "4, 24, 6") + "])");
        current_ = node("aten.einsum.default(equation=\"bthe,hed->btd\", tensors=[" + heads + ", " + parameter("weight", "4, 6, 24") + "])");
        break;
      }
      case 4: {
        auto parts = nodes(3, "aten.split_with_sizes.default(self=" + linear(x, 24, 40) + ", split_sizes=[8, 24, 8], dim=-1)");
        current_ = node("aten.cat.default(tensors=[" + node("aten.mul.Tensor(self=" + parts[0] + ", other=" + parts[2] + ")") + ", " + parts[1] + "], dim=-1)");
        current_ = add(linear(current_, 32, 24), parts[1]);
        break;
      }
      default:
        current_ = add(x, linear(node("aten.layer_norm.default(input=" + linear(x, 24, 16) + ", normalized_shape=[16], weight=" + parameter("weight", "16") +
                                      ", bias=" + parameter("bias", "16") + ")"), 16, 24));
    }
  }

  // [N, T, 3 * heads * depth] as [3, N, heads, T, depth]
  std::string fused_attention(const std::string& x) {
    std::string t = text(height_ * height_);
    std::string all = node("aten.permute.default(self=" + view(linear(x, 24, 72), "[%n, " + t + ", 3, 4, 6]") + ", dims=[2, 0, 3, 1, 4])");
    auto parts = nodes(3, "aten.unbind.int(self=" + all + ")");
    return joined_heads(parts[0], parts[1], parts[2]);
  }
  std::string grouped_attention(const std::string& x) {
    auto heads = [&](std::int64_t count) {
      std::string made = view(linear(x, 24, count * 6), "[%n, " + text(height_ * height_) + ", " + text(count) + ", 6]");
      return node("aten.transpose.int(self=" + made + ", dim0=1, dim1=2)");
    };
    auto repeated = [&](const std::string& value) {
      std::string t = text(height_ * height_);
      std::string wide = node("aten.expand.default(self=" + node("aten.unsqueeze.default(self=" + value + ", dim=2)") + ", size=[%n, 2, 2, " + t + ", 6])");
      return view(wide, "[%n, 4, " + t + ", 6]");
    };
    std::string query = heads(4), key = repeated(heads(2)), value = repeated(heads(2));
    return joined_heads(query, key, value);
  }
  std::string joined_heads(const std::string& query, const std::string& key, const std::string& value) {
    std::string y = node("aten.scaled_dot_product_attention.default(query=" + query + ", key=" + key + ", value=" + value + ", scale=0.1)");
    std::string merged = view(node("aten.transpose.int(self=" + y + ", dim0=1, dim1=2)"), "[%n, " + text(height_ * height_) + ", 24]");
    return linear(merged, 24, 24);
  }

  std::uint64_t seed_, choices_ = 0;
  std::string parameters_, body_, current_;
  std::int64_t channels_ = 0, height_ = 6;
  int values_ = 0, weights_ = 0;
};

}  // namespace dsc::test
