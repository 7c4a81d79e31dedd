#include "serve/protocol.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/names.h"
#include "dscompress/error.h"
#include "exec/convert.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

struct Datatype {
  std::string_view name;
  ScalarType type;
};
constexpr std::array<Datatype, 9> kDatatypes = {{{"BOOL", ScalarType::boolean},
                                                 {"UINT8", ScalarType::u8},
                                                 {"INT8", ScalarType::i8},
                                                 {"INT16", ScalarType::i16},
                                                 {"INT32", ScalarType::i32},
                                                 {"INT64", ScalarType::i64},
                                                 {"FP16", ScalarType::f16},
                                                 {"FP32", ScalarType::f32},
                                                 {"FP64", ScalarType::f64}}};

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::data, message); }

// Deep nesting costs much more memory than it has bytes.
void check_depth(std::string_view json) {
  constexpr int kDeepest = 32;
  int depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) refuse("the JSON is nested more than " + std::to_string(kDeepest) + " deep");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
}

Json parse(std::string_view text) {
  check_depth(text);
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    refuse(std::string("the body is no JSON: ") + error.what());
  }
}

const Json& member(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object()) refuse(where + " is no object");
  const auto found = object.find(key);
  if (found == object.end()) refuse(where + " has no `" + key + "`");
  return *found;
}

std::string text_member(const Json& object, const char* key, const std::string& where) {
  const auto& value = member(object, key, where);
  if (!value.is_string()) refuse(where + ": `" + key + "` is no text");
  return value.get<std::string>();
}

ScalarType type_named(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const auto& known : kDatatypes) {
    if (known.name == name) return known.type;
    names.emplace_back(known.name);
  }
  refuse(where + ": datatype `" + name + "` is none of those served; " + suggest(name, names));
}

// With as many elements as can be counted.
std::vector<std::int64_t> shape_of(const Json& input, const std::string& where) {
  constexpr std::size_t kMostDimensions = 8;
  const auto& sizes = member(input, "shape", where);
  if (!sizes.is_array() || sizes.empty() || sizes.size() > kMostDimensions) refuse(where + ": `shape` is no list of 1 to 8 sizes");
  std::vector<std::int64_t> shape;
  std::int64_t elements = 1;
  for (const auto& size : sizes) {
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() == 0 || size.get<std::uint64_t>() > std::numeric_limits<std::int32_t>::max()) {
      refuse(where + ": `shape` has a size that is no number above 0");
    }
    shape.push_back(size.get<std::int64_t>());
    if (__builtin_mul_overflow(elements, shape.back(), &elements)) refuse(where + ": `shape` has more elements than can be counted");
  }
  return shape;
}

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t elements = 1;
  for (const auto size : shape) elements *= size;
  return elements;
}

std::int64_t count_numbers(const Json& data) {
  if (!data.is_array()) return 1;
  std::int64_t count = 0;
  for (const auto& item : data) count += item.is_array() ? count_numbers(item) : 1;
  return count;
}

template <class Number>
Number number_in(const Json& item, const std::string& where) {
  constexpr bool is_whole = std::is_integral_v<Number>;
  if constexpr (std::is_same_v<Number, bool>) {
    if (item.is_boolean()) return item.get<bool>();
    if (item.is_number_unsigned() && item.get<std::uint64_t>() <= 1) return item.get<std::uint64_t>() == 1;
  } else if constexpr (is_whole) {
    const bool fits = item.is_number_unsigned()
                          ? item.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<Number>::max())
                          : item.is_number_integer() && item.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<Number>::min());
    if (fits) return static_cast<Number>(item.get<std::int64_t>());
  } else {
    if (item.is_number() && std::abs(item.get<double>()) <= static_cast<double>(std::numeric_limits<Number>::max()))
      return static_cast<Number>(item.get<double>());
  }
  refuse(where + ": `data` holds " + item.dump().substr(0, 40) + ", which its datatype does not");
}

template <class Number>
void fill(const Json& data, Number*& next, const std::string& where) {
  for (const auto& item : data) {
    if (item.is_array())
      fill(item, next, where);
    else
      *next++ = number_in<Number>(item, where);
  }
}

at::Tensor tensor_of(const Json& data, const std::vector<std::int64_t>& shape, ScalarType type, const std::string& where) {
  if (!data.is_array()) refuse(where + ": `data` is no list");
  const auto found = count_numbers(data), wanted = elements_of(shape);
  if (found != wanted) refuse(where + ": `data` has " + std::to_string(found) + " numbers, its shape asks for " + std::to_string(wanted));
  const at::Tensor tensor = at::empty(shape, type == ScalarType::f16 ? at::kFloat : to_c10(type));
  const auto fill_as = [&]<class Number>(Number* next) { fill(data, next, where); };
  switch (type) {
    case ScalarType::boolean:
      fill_as(tensor.data_ptr<bool>());
      break;
    case ScalarType::u8:
      fill_as(tensor.data_ptr<std::uint8_t>());
      break;
    case ScalarType::i8:
      fill_as(tensor.data_ptr<std::int8_t>());
      break;
    case ScalarType::i16:
      fill_as(tensor.data_ptr<std::int16_t>());
      break;
    case ScalarType::i32:
      fill_as(tensor.data_ptr<std::int32_t>());
      break;
    case ScalarType::i64:
      fill_as(tensor.data_ptr<std::int64_t>());
      break;
    case ScalarType::f64:
      fill_as(tensor.data_ptr<double>());
      break;
    default:
      fill_as(tensor.data_ptr<float>());
  }
  return type == ScalarType::f16 ? tensor.to(at::kHalf) : tensor;
}

// Bytes behind the JSON, which inputs take in their order.
at::Tensor binary_tensor(std::string_view& rest, const Json& size, const std::vector<std::int64_t>& shape, ScalarType type,
                         const std::string& where) {
  std::int64_t wanted = 0;
  const bool fits = !__builtin_mul_overflow(elements_of(shape), byte_size(type), &wanted);
  if (!fits || !size.is_number_unsigned() || size.get<std::uint64_t>() != static_cast<std::uint64_t>(wanted)) {
    refuse(where + ": `binary_data_size` is not that of its shape and datatype");
  }
  if (rest.size() < static_cast<std::size_t>(wanted)) refuse(where + ": the body ends before its binary data");
  at::Tensor tensor = at::empty(shape, to_c10(type));
  std::copy_n(rest.data(), wanted, static_cast<char*>(tensor.data_ptr()));
  if (type == ScalarType::boolean) tensor = tensor.view(at::kByte).ne(0);  // any other byte is no bool
  rest.remove_prefix(static_cast<std::size_t>(wanted));
  return tensor;
}

NamedTensor input_of(const Json& input, std::string_view& rest) {
  NamedTensor named{.name = text_member(input, "name", "an input"), .tensor = {}};
  const auto where = "input `" + named.name.substr(0, 80) + "`";
  const auto type = type_named(text_member(input, "datatype", where), where);
  const auto shape = shape_of(input, where);
  const auto parameters = input.find("parameters");
  const bool is_binary = parameters != input.end() && parameters->is_object() && parameters->contains("binary_data_size");
  named.tensor = is_binary ? binary_tensor(rest, parameters->at("binary_data_size"), shape, type, where)
                           : tensor_of(member(input, "data", where), shape, type, where);
  return named;
}

template <class Number>
void append_numbers(std::string& text, const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  const auto* data = flat.const_data_ptr<Number>();
  std::array<char, 32> digits{};
  for (std::int64_t i = 0; i < flat.numel(); ++i) {
    if (i > 0) text += ',';
    if constexpr (std::is_floating_point_v<Number>) {
      if (!std::isfinite(data[i])) {
        text += "null";
        continue;
      }
    }
    text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), data[i]).ptr);
  }
}

void append_data(std::string& text, const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kBool) {
    const at::Tensor flat = tensor.contiguous();
    for (std::int64_t i = 0; i < flat.numel(); ++i) text += std::string(i > 0 ? "," : "") + (flat.const_data_ptr<bool>()[i] ? "true" : "false");
  } else if (tensor.scalar_type() == at::kDouble) {
    append_numbers<double>(text, tensor);
  } else if (tensor.is_floating_point()) {
    append_numbers<float>(text, tensor.to(at::kFloat));
  } else {
    append_numbers<std::int64_t>(text, tensor.to(at::kLong));
  }
}

std::string json_text(std::string_view text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string_view datatype_of(ScalarType type) {
  for (const auto& known : kDatatypes) {
    if (known.type == type) return known.name;
  }
  return {};
}

InferRequest parse_infer_request(std::string_view body, std::optional<std::uint64_t> json_length) {
  if (json_length && *json_length > body.size()) refuse("Inference-Header-Content-Length is no length within the body");
  auto rest = body.substr(json_length.value_or(body.size()));
  const auto json = parse(body.substr(0, json_length.value_or(body.size())));
  InferRequest request;
  const auto& inputs = member(json, "inputs", "the request");
  if (json.contains("id")) request.id = text_member(json, "id", "the request");
  if (!inputs.is_array() || inputs.empty()) refuse("`inputs` is no list of tensors");
  for (const auto& input : inputs) request.inputs.push_back(input_of(input, rest));
  if (!rest.empty()) refuse("the body goes on after its last tensor");
  const auto outputs = json.find("outputs");
  if (outputs == json.end()) return request;
  if (!outputs->is_array()) refuse("`outputs` is no list");
  for (const auto& output : *outputs) request.outputs.push_back(text_member(output, "name", "an output"));
  return request;
}

std::string infer_response_json(const InferResponse& response) {
  std::string text = "{\"model_name\":" + json_text(response.model) + ",\"model_version\":" + json_text(response.version);
  if (!response.id.empty()) text += ",\"id\":" + json_text(response.id);
  text += ",\"outputs\":[";
  for (std::size_t i = 0; i < response.outputs.size(); ++i) {
    const auto& [name, tensor] = response.outputs[i];
    text += std::string(i > 0 ? "," : "") + "{\"name\":" + json_text(name) + ",\"datatype\":\"" +
            std::string(datatype_of(from_c10(tensor.scalar_type()))) +
            "\",\"shape\":" + Json(std::vector<std::int64_t>(tensor.sizes().begin(), tensor.sizes().end())).dump() + ",\"data\":[";
    append_data(text, tensor);
    text += "]}";
  }
  return text + "]}";
}

std::string error_json(std::string_view message) { return "{\"error\":" + json_text(message) + "}"; }

std::string model_metadata_json(const ModelMetadata& model) {
  const auto tensors = [](const std::vector<TensorMetadata>& list) {
    auto json = Json::array();
    for (const auto& tensor : list) json.push_back({{"name", tensor.name}, {"datatype", datatype_of(tensor.type)}, {"shape", tensor.shape}});
    return json;
  };
  return Json{{"name", model.name},
              {"versions", model.versions},
              {"platform", "openvino"},
              {"inputs", tensors(model.inputs)},
              {"outputs", tensors(model.outputs)}}
      .dump();
}

}  // namespace dsc
