// A model over HTTP: answers, batches, reloads, canaries, shadows, captured traffic.
#include "serve/service.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "deploy/needs_openvino.h"
#include "deploy/text_model.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "io/safetensors.h"
#include "serve/http_client.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json tensor_json(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().view(-1);
  Json data = Json::array();
  for (std::int64_t i = 0; i < flat.numel(); ++i)
    data.push_back(tensor.is_floating_point() ? Json(flat[i].item<float>()) : Json(flat[i].item<std::int64_t>()));
  const char* type = tensor.is_floating_point() ? "FP32" : tensor.scalar_type() == at::kByte ? "UINT8" : "INT64";
  return {{"name", name}, {"shape", tensor.sizes().vec()}, {"datatype", type}, {"data", data}};
}
std::string request_of(const std::vector<std::pair<std::string, at::Tensor>>& inputs, const std::string& id = {}) {
  Json json{{"inputs", Json::array()}};
  if (!id.empty()) json["id"] = id;
  for (const auto& [name, tensor] : inputs) json["inputs"].push_back(tensor_json(name, tensor));
  return json.dump();
}
at::Tensor output_of(const HttpAnswer& answer, std::size_t place = 0) {
  const auto output = Json::parse(answer.body).at("outputs").at(place);
  return at::tensor(output.at("data").get<std::vector<float>>()).view(output.at("shape").get<std::vector<std::int64_t>>());
}

// A registry of MLPs with other weights, or of one model.
class Serving : public NeedsOpenVino {
 protected:
  void write_version(int number, const Model& model) const {
    fs::create_directories(registry("") + std::to_string(number));
    write_openvino_ir(model, registry("") + std::to_string(number) + "/model.xml");
  }
  void link(int number) const {
    fs::create_symlink(std::to_string(number), registry(".new"));
    fs::rename(registry(".new"), registry("last-good"));
  }
  std::string registry(const std::string& name) const { return folder_.file("models/net/" + name); }
  ServeOptions options() const {
    ServeOptions options;
    options.versions.path = folder_.file("models/net");
    options.versions.model = {.threads = 1, .buckets = {4, 8}};
    options.http.port = 0;
    options.http.max_body = 100'000;
    return options;
  }
  const TempFolder& folder() const { return folder_; }
  const PassTable& passes() const { return passes_; }

 private:
  TempFolder folder_;
  PassTable passes_;
};

constexpr const char* kInfer = "/v2/models/net/infer";

TEST_F(Serving, AnswersAsTheModelDoesAndSaysWhatItTakes) {
  const auto model = tiny_mlp();
  write_version(3, model);
  link(3);
  Service service(options(), passes());
  HttpClient client(service.port());
  EXPECT_EQ(client.get("/v2/health/live").status, 200);
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  EXPECT_EQ(client.get("/v2/models/net/ready").status, 200);
  EXPECT_EQ(client.get("/v2/models/other/ready").status, 404);
  EXPECT_EQ(client.get("/v2/models/net/versions/4").status, 404);
  const auto metadata = Json::parse(client.get("/v2/models/net").body);
  EXPECT_EQ(metadata.at("versions"), Json({"3"}));
  EXPECT_EQ(metadata.at("inputs"), Json::parse(R"([{"name": "x", "datatype": "FP32", "shape": [-1, 8]}])"));

  Executor executor(model, {});
  const auto x = noise({5, 8}, 3);
  const auto answer = client.post(kInfer, request_of({{"x", x}}, "me"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(at::allclose(output_of(answer), executor.run({x}).front(), 1e-5, 1e-6));
  EXPECT_EQ(Json::parse(answer.body).at("id"), "me");
  EXPECT_EQ(Json::parse(answer.body).at("model_version"), "3");
  EXPECT_EQ(client.post("/v2/models/net/versions/3/infer", request_of({{"x", x}})).status, 200);
  EXPECT_EQ(client.post("/v2/models/net/versions/2/infer", request_of({{"x", x}})).status, 404);
  EXPECT_EQ(client.get(kInfer).status, 405);
  EXPECT_TRUE(contains(client.get("/metrics").body, "dscompress_serve_requests_total{model=\"net\",version=\"3\",code=\"200\"} 2\n"))
      << service.metrics();
}

TEST_F(Serving, WhatDoesNotFitTheModelIsRefusedWith400) {
  write_version(1, tiny_mlp());
  link(1);
  Service service(options(), passes());
  HttpClient client(service.port());
  const auto message = [&](const std::string& body) {
    const auto answer = client.post(kInfer, body);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return Json::parse(answer.body).at("error").get<std::string>();
  };
  EXPECT_TRUE(contains(message("{"), "no JSON"));
  EXPECT_TRUE(contains(message(request_of({{"y", noise({1, 8}, 1)}})), "no input `y`"));
  EXPECT_TRUE(contains(message(request_of({{"x", noise({1, 7}, 1)}})), "[1, 7], the model takes [any, 8]"));
  EXPECT_TRUE(contains(message(request_of({{"x", noise({8}, 1)}})), "the model takes [any, 8]"));
  EXPECT_TRUE(contains(message(request_of({{"x", at::ones({1, 8}, at::kLong)}})), "INT64, the model takes FP32"));
  EXPECT_TRUE(contains(message(request_of({{"x", noise({1, 8}, 1)}, {"x", noise({1, 8}, 1)}})), "given twice"));
  auto wrong = Json::parse(request_of({{"x", noise({1, 8}, 1)}}));
  wrong["outputs"] = {{{"name", "nothing"}}};
  EXPECT_TRUE(contains(message(wrong.dump()), "no output `nothing`"));
  EXPECT_EQ(client.post(kInfer, request_of({{"x", noise({1, 8}, 1)}})).status, 200);
}

// Embeddings of tokens that the mask shows, added up.
constexpr const char* kEncoder = R"text(graph {
  param %p_words "words": f32[11, 4]
  param %p_w "w": f32[3, 4]
  input %input_ids: i64[s0{2}, s1{3}]
  input %attention_mask: i64[s0{2}, s1{3}]
  %e: f32[s0{2}, s1{3}, 4] = aten.embedding.default(weight=%p_words, indices=%input_ids)
  %m: i64[s0{2}, s1{3}, 1] = aten.unsqueeze.default(self=%attention_mask, dim=2)
  %h: f32[s0{2}, s1{3}, 4] = aten.mul.Tensor(self=%e, other=%m)
  %sum: f32[s0{2}, 4] = aten.sum.dim_IntList(self=%h, dim=[1])
  %y: f32[s0{2}, 3] = aten.linear.default(input=%sum, weight=%p_w, bias=None)
  output %y
  output %h
})text";

TEST_F(Serving, RequestsOfDifferentLengthsShareABatchAndGetTheirOwnAnswers) {
  const auto model = text_model(kEncoder);
  write_version(1, model);
  link(1);
  auto with_patience = options();
  with_patience.batch = {.max_rows = 3, .max_wait_ms = 1e6, .capacity = 100};  // nothing runs before three have come
  Service service(with_patience, passes());
  Executor executor(model, {});
  std::vector<std::thread> clients;
  for (std::int64_t length = 2; length <= 4; ++length) {
    clients.emplace_back([&, length] {
      const auto ids = at::arange(1, length + 1, at::kLong).unsqueeze(0), mask = at::ones({1, length}, at::kLong);
      const auto answer = HttpClient(service.port()).post(kInfer, request_of({{"input_ids", ids}, {"attention_mask", mask}}));
      ASSERT_EQ(answer.status, 200) << answer.body;
      const auto expected = executor.run({ids, mask});
      EXPECT_TRUE(at::allclose(output_of(answer, 0), expected[0], 1e-5, 1e-6));
      EXPECT_TRUE(at::allclose(output_of(answer, 1), expected[1], 1e-5, 1e-6)) << "as long as the request was";
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_TRUE(contains(service.metrics(), "dscompress_serve_batches_total{model=\"net\",version=\"1\"} 1\n")) << service.metrics();
  EXPECT_TRUE(contains(service.metrics(), "dscompress_serve_elements_total{model=\"net\",version=\"1\"} 24\n"))
      << "two inputs of three rows of four tokens";
  EXPECT_TRUE(contains(service.metrics(), "dscompress_serve_padding_elements_total{model=\"net\",version=\"1\"} 6\n"));
}

TEST_F(Serving, AFullQueueAnswers503) {
  write_version(1, tiny_mlp());
  link(1);
  auto small = options();
  small.batch = {.max_rows = 100, .max_wait_ms = 1e6, .capacity = 2};
  Service service(small, passes());
  HttpClient first(service.port());
  const auto body = request_of({{"x", noise({2, 8}, 1)}});
  first.send("POST " + std::string(kInfer) + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  HttpClient second(service.port());
  while (!contains(second.get("/metrics").body, "dscompress_serve_waiting_examples{model=\"net\"} 2\n")) std::this_thread::yield();
  const auto answer = second.post(kInfer, body);
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(contains(answer.head, "Retry-After: 1"));
  std::thread stopping([&] { service.stop(); });
  stopping.join();
  EXPECT_EQ(first.receive().status, 200) << "what was accepted is answered";
}

TEST_F(Serving, NewVersionsTakeOverWithoutALostRequest) {
  for (int version = 1; version <= 4; ++version) write_version(version, tiny_mlp(static_cast<std::uint64_t>(version)));
  link(1);
  Service service(options(), passes());
  std::atomic<bool> done{false};
  std::atomic<int> answered{0}, wrong{0};
  std::vector<std::thread> clients;
  const auto x = noise({1, 8}, 9);
  std::vector<at::Tensor> expected(5);
  for (int version = 1; version <= 4; ++version)
    expected[static_cast<std::size_t>(version)] = Executor(tiny_mlp(static_cast<std::uint64_t>(version)), {}).run({x}).front();
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      HttpClient client(service.port());
      while (!done) {
        const auto answer = client.post(kInfer, request_of({{"x", x}}));
        const auto version = answer.status == 200 ? std::stoul(Json::parse(answer.body).at("model_version").get<std::string>()) : 0;
        const bool is_right = version > 0 && at::allclose(output_of(answer), expected[version], 1e-4, 1e-5);
        ++(is_right ? answered : wrong);
      }
    });
  }
  for (int version = 2; version <= 4; ++version) {
    link(version);
    service.look_around();
    EXPECT_EQ(service.version(), std::to_string(version));
    const int before = answered;
    while (answered < before + 20 && wrong == 0) std::this_thread::yield();
  }
  done = true;
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(contains(service.metrics(), "dscompress_serve_reloads_total{model=\"net\",role=\"stable\"} 3\n")) << service.metrics();
}

TEST_F(Serving, AVersionThatCannotBeLoadedReplacesNothing) {
  write_version(1, tiny_mlp());
  link(1);
  Service service(options(), passes());
  fs::create_directories(registry("2"));
  spit(registry("2/model.xml"), "<net");
  link(2);
  service.look_around();
  EXPECT_EQ(service.version(), "1");
  EXPECT_EQ(HttpClient(service.port()).post(kInfer, request_of({{"x", noise({1, 8}, 1)}})).status, 200);
  EXPECT_TRUE(contains(service.metrics(), "dscompress_serve_failed_reloads_total{model=\"net\",role=\"stable\"} 1\n")) << service.metrics();
  write_version(3, tiny_mlp(3));
  link(3);
  service.look_around();
  EXPECT_EQ(service.version(), "3");
}

TEST_F(Serving, ACanaryGetsItsShareAndTheSameRequestsEachTime) {
  write_version(1, tiny_mlp(1));
  write_version(2, tiny_mlp(2));
  link(1);
  auto with_canary = options();
  with_canary.versions.candidate = registry("2");
  with_canary.versions.canary = 0.3;
  Service service(with_canary, passes());
  HttpClient client(service.port());
  const auto version_for = [&](const std::string& id) {
    return Json::parse(client.post(kInfer, request_of({{"x", noise({1, 8}, 1)}}, id)).body).at("model_version").get<std::string>();
  };
  constexpr int kRequests = 1000;
  int canaries = 0;
  for (int i = 0; i < kRequests; ++i) canaries += version_for(std::to_string(i)) == "2";
  EXPECT_NEAR(canaries, 0.3 * kRequests, 50) << "3.4 standard deviations";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(version_for(std::to_string(i)), version_for(std::to_string(i)));
  EXPECT_EQ(Json::parse(client.get("/v2/models/net").body).at("versions"), Json({"1", "2"}));
  link(2);
  service.look_around();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(version_for(std::to_string(i)), "2") << "promoted: no candidate any more";
  EXPECT_FALSE(contains(service.metrics(), "role=\"candidate\",version"));
}

TEST_F(Serving, AShadowRunsOnEverythingAndAnswersNothing) {
  write_version(1, tiny_mlp(1));
  write_version(2, tiny_mlp(2));
  link(1);
  auto with_shadow = options();
  fs::create_symlink(registry("2"), folder().file("candidate"));
  with_shadow.versions.candidate = folder().file("candidate");
  with_shadow.shadow = true;
  Service service(with_shadow, passes());
  HttpClient client(service.port());
  const Model first = tiny_mlp(1), second = tiny_mlp(2);  // what executors run has to outlive them
  Executor stable(first, {}), candidate(second, {});
  std::int64_t agreed = 0;
  const auto has_run = [&](std::uint64_t rows) {
    return contains(service.metrics(), "dscompress_serve_shadow_examples_total{model=\"net\"} " + std::to_string(rows) + "\n");
  };
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto x = noise({3, 8}, i);
    const auto answer = client.post(kInfer, request_of({{"x", x}}));
    EXPECT_EQ(Json::parse(answer.body).at("model_version"), "1");
    agreed += stable.run({x}).front().argmax(1).eq(candidate.run({x}).front().argmax(1)).sum().item<std::int64_t>();
    for (int wait = 0; wait < 20000 && !has_run(3 * (i + 1)); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // nobody waits for it
  }
  const auto metrics = service.metrics();
  EXPECT_TRUE(contains(metrics, "dscompress_serve_shadow_examples_total{model=\"net\"} 60\n")) << metrics;
  EXPECT_TRUE(contains(metrics, "dscompress_serve_shadow_agreed_total{model=\"net\"} " + std::to_string(agreed) + "\n")) << agreed << "\n" << metrics;
}

TEST_F(Serving, RequestsAreCapturedAsTheyCame) {
  write_version(1, text_model(kEncoder));
  link(1);
  auto capturing = options();
  capturing.capture = {.folder = folder().file("traffic"), .examples = 100};
  Service service(capturing, passes());
  HttpClient client(service.port());
  for (const std::int64_t length : {2, 7}) {
    ASSERT_EQ(client
                  .post(kInfer, request_of({{"input_ids", at::full({1, length}, 5, at::kLong)}, {"attention_mask", at::ones({1, length}, at::kLong)}},
                                           std::to_string(length)))
                  .status,
              200);
  }
  service.stop();
  const auto file = read_safetensors(fs::directory_iterator(folder().file("traffic"))->path().string());
  for (const auto& [name, tensor] : file.tensors) {
    EXPECT_EQ(tensor.sizes(), (std::vector<std::int64_t>{2, 8})) << "filled up to the longest bucket, so that files fit each other";
    EXPECT_EQ(tensor.ne(0).sum(1)[0].item<std::int64_t>(), 2) << name;
  }
  EXPECT_EQ(file.metadata.at("ids"), R"(["2","7"])");
}

TEST_F(Serving, PicturesComeAsBytesWhereTheRecipeNormalisesThem) {
  const auto model = tiny_residual_cnn();
  write_version(1, model);
  link(1);
  spit(registry("1/recipe.resolved.yaml"),
       "version: 1\nmodel: {path: model.pt2}\ndata:\n  normalize: {mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4]}\nevaluate: {metrics: []}\npasses: "
       "[]\n");
  Service service(options(), passes());
  const auto pixels = at::arange(2 * 3 * 8 * 8, at::kLong).remainder(256).to(at::kByte).view({2, 3, 8, 8});
  const auto mean = at::tensor({0.5F, 0.4F, 0.3F}).view({3, 1, 1}), deviation = at::tensor({0.2F, 0.3F, 0.4F}).view({3, 1, 1});
  const auto answer = HttpClient(service.port()).post(kInfer, request_of({{"x", pixels}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  Executor executor(model, {});
  EXPECT_TRUE(at::allclose(output_of(answer), executor.run({(pixels.to(at::kFloat) / 255 - mean) / deviation}).front(), 1e-4, 1e-5));
}

TEST_F(Serving, NothingToServeIsAnErrorThatSaysWhat) {
  const auto nothing = options();
  try {
    Service service(nothing, passes());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
    EXPECT_TRUE(contains(error.what(), "nothing to serve")) << error.what();
  }
}

}  // namespace
}  // namespace dsc::test
