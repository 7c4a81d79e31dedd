#include "serve/protocol.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "dscompress/error.h"
#include "serve/routes.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

std::string input(const std::string& members) { return R"({"inputs": [{"name": "x", )" + members + "}]}"; }

TEST(InferRequest, TensorsAreReadFlatOrNestedInEveryDatatype) {
  const auto request = parse_infer_request(R"({"id": "7", "inputs": [
    {"name": "a", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2.5], [-3e2, 0]]},
    {"name": "b", "shape": [2, 2], "datatype": "INT64", "data": [1, -2, 9007199254740993, 4]},
    {"name": "c", "shape": [2], "datatype": "UINT8", "data": [0, 255]},
    {"name": "d", "shape": [3], "datatype": "BOOL", "data": [true, false, 1]},
    {"name": "e", "shape": [1], "datatype": "FP16", "data": [0.5]}], "outputs": [{"name": "y"}]})");
  EXPECT_EQ(request.id, "7");
  EXPECT_EQ(request.outputs, std::vector<std::string>{"y"});
  ASSERT_EQ(request.inputs.size(), 5U);
  EXPECT_TRUE(request.inputs[0].tensor.equal(at::tensor({1.F, 2.5F, -300.F, 0.F}).view({2, 2})));
  EXPECT_EQ(request.inputs[1].tensor.view(-1)[2].item<std::int64_t>(), 9007199254740993) << "no number goes by way of a double";
  EXPECT_EQ(request.inputs[2].tensor.scalar_type(), at::kByte);
  EXPECT_TRUE(request.inputs[3].tensor.equal(at::tensor({1, 0, 1}).to(at::kBool)));
  EXPECT_EQ(request.inputs[4].tensor.scalar_type(), at::kHalf);
}

TEST(InferRequest, BinaryTensorsFollowTheJson) {
  const float numbers[] = {1.5F, -2};
  const std::string json = input(R"("shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8})");
  const std::string bytes(reinterpret_cast<const char*>(numbers), sizeof numbers);
  const auto request = parse_infer_request(json + bytes, json.size());
  EXPECT_TRUE(request.inputs[0].tensor.equal(at::tensor({1.5F, -2.F}).view({1, 2})));
  EXPECT_THROW(parse_infer_request(json + bytes.substr(1), json.size()), Error);
  EXPECT_THROW(parse_infer_request(json + bytes + "x", json.size()), Error);
  EXPECT_THROW(parse_infer_request(json + bytes, json.size() + 9), Error);
  EXPECT_THROW(parse_infer_request(json + bytes, json.size() - 1), Error);
}

struct Malformed {
  std::string body, message;
};

TEST(InferRequest, MalformedOnesAreRefusedWithASentence) {
  const std::string good = R"("shape": [1, 2], "datatype": "FP32", )";
  const std::vector<Malformed> all = {
      {"", "no JSON"},
      {"{", "no JSON"},
      {"\xff\xfe", "no JSON"},
      {"[]", "no object"},
      {"{}", "has no `inputs`"},
      {R"({"inputs": {}})", "no list"},
      {R"({"inputs": []})", "no list"},
      {R"({"inputs": [1]})", "an input is no object"},
      {R"({"inputs": [{}]})", "has no `name`"},
      {R"({"id": 3, "inputs": [{}]})", "`id` is no text"},
      {R"({"inputs": [{"name": 3}]})", "`name` is no text"},
      {input(R"("shape": [1])"), "has no `datatype`"},
      {input(R"("shape": [1], "datatype": "FP31", "data": [1])"), "FP31"},
      {input(R"("shape": [1], "datatype": "BYTES", "data": ["a"])"), "BYTES"},
      {input(R"("datatype": "FP32", "data": [1])"), "has no `shape`"},
      {input(R"("shape": [], "datatype": "FP32", "data": [1])"), "1 to 8 sizes"},
      {input(R"("shape": [1,1,1,1,1,1,1,1,1], "datatype": "FP32", "data": [1])"), "1 to 8 sizes"},
      {input(R"("shape": [0], "datatype": "FP32", "data": [])"), "above 0"},
      {input(R"("shape": [-1], "datatype": "FP32", "data": [1])"), "above 0"},
      {input(R"("shape": [1.5], "datatype": "FP32", "data": [1])"), "above 0"},
      {input(R"("shape": [99999999999], "datatype": "FP32", "data": [1])"), "above 0"},
      {input(R"("shape": [2000000000, 2000000000, 2000000000], "datatype": "FP32", "data": [1])"), "can be counted"},
      {input(R"("shape": [2000000000, 2000000000], "datatype": "FP32", "data": [1])"), "asks for 4000000000000000000"},
      {input(good + R"("data": 1)"), "`data` is no list"},
      {input(good + R"("data": [1])"), "has 1 numbers"},
      {input(good + R"("data": [1, 2, 3])"), "has 3 numbers"},
      {input(good + R"("data": [1, "2"])"), "holds \"2\""},
      {input(good + R"("data": [1, null])"), "holds null"},
      {input(good + R"("data": [1, {}])"), "holds {}"},
      {input(good + R"("data": [1, 1e39])"), "holds 1e+39"},
      {input(good + R"("data": [1, 1e999])"), "no JSON"},
      {input(good + R"("data": [1, NaN])"), "no JSON"},
      {input(R"("shape": [1], "datatype": "UINT8", "data": [256])"), "holds 256"},
      {input(R"("shape": [1], "datatype": "UINT8", "data": [-1])"), "holds -1"},
      {input(R"("shape": [1], "datatype": "INT64", "data": [1.5])"), "holds 1.5"},
      {input(R"("shape": [1], "datatype": "INT64", "data": [9223372036854775808])"), "holds 9223372036854775808"},
      {input(R"("shape": [1], "datatype": "BOOL", "data": [2])"), "holds 2"},
      {input(R"("shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 4})"), "binary_data_size"},
      {input(R"("shape": [1], "datatype": "FP32", "data": [1])") + "x", "no JSON"},
      {R"({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}], "outputs": 3})", "`outputs` is no list"},
      {std::string(1'000'000, '['), "nested"},
  };
  for (const auto& [body, message] : all) {
    try {
      parse_infer_request(body);
      ADD_FAILURE() << "taken: " << body;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::data) << body.substr(0, 200);
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what() << "\n" << body.substr(0, 200);
    }
  }
}

TEST(InferResponse, NumbersComeBackExactly) {
  InferResponse response{.model = "net", .version = "3", .id = "a\"b", .outputs = {}};
  response.outputs.push_back({"f", at::tensor({0.1F, -1e-30F, 3.F, std::numeric_limits<float>::quiet_NaN()}).view({2, 2})});
  response.outputs.push_back({"i", at::tensor({std::int64_t{-5}, std::int64_t{9007199254740993}})});
  response.outputs.push_back({"b", at::tensor({1, 0}).to(at::kBool)});
  const auto json = Json::parse(infer_response_json(response));
  EXPECT_EQ(json["model_name"], "net");
  EXPECT_EQ(json["model_version"], "3");
  EXPECT_EQ(json["id"], "a\"b");
  EXPECT_EQ(json["outputs"][0]["shape"], Json({2, 2}));
  EXPECT_EQ(json["outputs"][0]["datatype"], "FP32");
  EXPECT_EQ(json["outputs"][0]["data"][0].get<float>(), 0.1F);
  EXPECT_EQ(json["outputs"][0]["data"][1].get<float>(), -1e-30F);
  EXPECT_TRUE(json["outputs"][0]["data"][3].is_null());
  EXPECT_EQ(json["outputs"][1]["data"][1].get<std::int64_t>(), 9007199254740993);
  EXPECT_EQ(json["outputs"][2]["data"], Json({true, false}));
  EXPECT_TRUE(Json::accept(error_json("\xff is no text")));
}

TEST(Routes, AreThoseOfTheProtocol) {
  using Kind = Route::Kind;
  const auto kind = [](const char* target) { return find_route(target).value().kind; };
  EXPECT_EQ(kind("/v2"), Kind::server);
  EXPECT_EQ(kind("/v2/health/live"), Kind::live);
  EXPECT_EQ(kind("/v2/health/ready"), Kind::ready);
  EXPECT_EQ(kind("/metrics"), Kind::metrics);
  EXPECT_EQ(kind("/v2/models/net"), Kind::model);
  EXPECT_EQ(kind("/v2/models/net/ready"), Kind::model_ready);
  EXPECT_EQ(kind("/v2/models/net/infer"), Kind::infer);
  const auto versioned = find_route("/v2/models/net/versions/3/infer").value();
  EXPECT_EQ(versioned.kind, Kind::infer);
  EXPECT_EQ(versioned.model, "net");
  EXPECT_EQ(versioned.version, "3");
  for (const auto* none :
       {"", "/", "/v1", "/v2/health", "/v2/models", "/v2/models/net/predict", "/v2/models/net/infer/more", "/v2/models/net/versions", "/metrics/x"}) {
    EXPECT_FALSE(find_route(none)) << none;
  }
}

}  // namespace
}  // namespace dsc
