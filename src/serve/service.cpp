#include "serve/service.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <filesystem>

#include "core/hash.h"
#include "core/log.h"
#include "core/printed.h"
#include "dscompress/error.h"
#include "exec/foreign_error.h"
#include "pipeline/version.h"

namespace dsc {
namespace {

using Clock = std::chrono::steady_clock;

ServeOptions with_name(ServeOptions options) {
  if (options.name.empty()) options.name = std::filesystem::weakly_canonical(options.versions.path).filename().string();
  const bool is_plain = !options.name.empty() &&
                        options.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == std::string::npos;
  if (!is_plain)
    throw Error(ErrorCode::usage, "`" + options.name + "` is no name for a model in a path", {},
                "give one of letters, digits, `.`, `_` and `-` with --name");
  return options;
}

std::string labels_of(const std::string& version, int status) { return "version=\"" + version + "\",code=\"" + std::to_string(status) + "\""; }

std::int64_t elements_of(const std::vector<at::Tensor>& tensors) {
  std::int64_t elements = 0;
  for (const auto& tensor : tensors) elements += tensor.numel();
  return elements;
}

// What may run together: the same model on inputs that differ in their number of rows only.
std::string group_of(const ServedModel& model, const std::vector<at::Tensor>& inputs) {
  std::string group = printed("%p", static_cast<const void*>(&model));
  for (const auto& input : inputs) {
    group += '/';
    for (const auto size : input.sizes().slice(1)) group += std::to_string(size) + ",";
  }
  return group;
}

std::string message_of(const std::exception_ptr& exception) { return to_error(exception).problems().front().message; }

std::vector<std::string> names_of(const std::vector<TensorMetadata>& tensors) {
  std::vector<std::string> names;
  for (const auto& tensor : tensors) names.push_back(tensor.name);
  return names;
}

}  // namespace

// A request on its way.
struct Service::Job {
  Clock::time_point arrived = Clock::now();
  std::string id;
  std::shared_ptr<ServedModel> model;
  std::vector<std::size_t> outputs;  // that are asked for, by their places
  HttpReply reply;
};

Service::Service(const ServeOptions& options, const PassTable& passes)
    : options_(with_name(options)),
      counters_(options_.name),
      versions_(options_.versions, passes, counters_),
      capture_(options_.capture),
      shadow_(counters_),
      queue_(options_.batch) {
  http_ = std::make_unique<HttpServer>(
      options_.http, [this](HttpRequest request, const HttpReply& reply) { handle(std::move(request), reply); },
      [this](int status) { counters_.add("refused_total", "code=\"" + std::to_string(status) + "\""); });
  worker_ = std::thread([this] { work(); });
}

Service::~Service() {
  try {
    stop();
  } catch (const std::exception&) {
    log_error(to_error(std::current_exception()).what());
  }
}

void Service::stop() {
  if (stopped_) return;
  stopped_ = true;
  constexpr double kLongest = 30;
  queue_.hurry();
  http_->stop(kLongest);
  queue_.close();
  worker_.join();
  http_.reset();
  capture_.write();
}

void Service::look_around() {
  versions_.refresh();
  try {
    capture_.write_if_over();
  } catch (const Error& error) {  // a full disk is no reason to stop answering
    log_error(std::string("captured traffic is lost: ") + error.what());
  }
}

std::string Service::metrics() {
  counters_.set("waiting_examples", {}, static_cast<double>(queue_.waiting()));
  if (!options_.capture.folder.empty()) counters_.set("captured_examples", {}, static_cast<double>(capture_.captured()));
  return counters_.text();
}

void Service::handle(HttpRequest request, const HttpReply& reply) {
  const auto route = find_route(request.target);
  const bool is_infer = route && route->kind == Route::Kind::infer;
  if (route && request.method == (is_infer ? "POST" : "GET") && is_infer) return infer(*route, request, reply);
  HttpResponse response;
  if (!route)
    response = refuse(404, "there is no such path; the model is at /v2/models/" + options_.name);
  else if (request.method != (is_infer ? "POST" : "GET"))
    response = refuse(405, is_infer ? "send inferences with POST" : "only GET is understood here");
  else
    response = describe(*route);
  reply([response] { return response; });
}

HttpResponse Service::describe(const Route& route) {
  using Kind = Route::Kind;
  switch (route.kind) {
    case Kind::metrics:
      return {.body = metrics(), .type = "text/plain; version=0.0.4"};
    case Kind::live:
      return {.body = "{\"live\":true}"};
    case Kind::ready:
      return {.body = "{\"ready\":true}"};
    case Kind::server:
      return {.body = "{\"name\":\"dscompress\",\"version\":\"" + std::string(dsc::version()) + "\",\"extensions\":[\"binary_tensor_data\"]}"};
    default:
      break;
  }
  if (route.model != options_.name) return refuse(404, "there is no model of that name; there is `" + options_.name + "`");
  const auto model = route.version.empty() ? versions_.stable() : versions_.named(route.version);
  if (!model) return refuse(404, "there is no such version");
  if (route.kind == Kind::model_ready) return {.body = "{\"name\":\"" + options_.name + "\",\"ready\":true}"};
  ModelMetadata metadata{.name = options_.name, .versions = {model->version()}, .inputs = model->inputs(), .outputs = model->outputs()};
  if (const auto candidate = route.version.empty() ? versions_.candidate() : nullptr) metadata.versions.push_back(candidate->version());
  return {.body = model_metadata_json(metadata)};
}

HttpResponse Service::refuse(int status, const std::string& message, const std::string& version) {
  counters_.add("requests_total", labels_of(version, status));
  return {.status = status, .body = error_json(message), .retry_after = status == 503 ? 1 : 0};
}

std::shared_ptr<ServedModel> Service::version_for(const Route& route, const HttpRequest& request, const std::string& id) const {
  if (!route.version.empty()) return versions_.named(route.version);
  return versions_.choose(hash_bits(id.empty() ? request.body : id));
}

void Service::infer(const Route& route, const HttpRequest& request, const HttpReply& reply) {
  const auto job = std::make_shared<Job>();
  job->reply = reply;
  std::string version;
  try {
    auto parsed = parse_infer_request(request.body, request.json_length);
    job->id = parsed.id;
    job->model = route.model == options_.name ? version_for(route, request, parsed.id) : nullptr;
    if (job->model) {
      version = job->model->version();
      return enqueue(job, std::move(parsed));
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::data) throw;
    const auto response = refuse(400, message_of(std::current_exception()), version);
    return reply([response] { return response; });
  }
  const auto response = refuse(404, "there is no such model or version; there is `" + options_.name + "`");
  reply([response] { return response; });
}

void Service::enqueue(const std::shared_ptr<Job>& job, InferRequest request) {
  const auto& model = *job->model;
  const auto names = names_of(model.outputs());
  for (const auto& output : request.outputs) {
    const auto found = std::ranges::find(names, output);
    if (found == names.end()) throw Error(ErrorCode::data, "the model has no output `" + output.substr(0, 80) + "`");
    job->outputs.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  for (std::size_t i = 0; request.outputs.empty() && i < names.size(); ++i) job->outputs.push_back(i);
  WaitingRequest waiting{.group = {}, .arrived = job->arrived, .model = job->model, .inputs = model.bind(request.inputs), .done = {}};
  const auto& lengths = model.lengths();
  waiting.rows = waiting.inputs.front().size(0);
  waiting.length = lengths.length_of(waiting.inputs);
  waiting.padded = lengths.bucket_of(waiting.length);
  if (lengths.can_pad()) {
    if (waiting.length <= lengths.longest()) capture_.offer(job->id, names_of(model.inputs()), lengths.pad(waiting.inputs, lengths.longest()));
    waiting.inputs = lengths.pad(std::move(waiting.inputs), waiting.padded);
  } else {
    capture_.offer(job->id, names_of(model.inputs()), waiting.inputs);
  }
  waiting.group = group_of(model, waiting.inputs);
  waiting.done = [this, job](Outcome outcome) { job->reply([this, job, outcome = std::move(outcome)] { return answer(*job, outcome); }); };
  if (queue_.push(waiting)) return;
  const auto response = refuse(503, "too many requests wait", model.version());
  job->reply([response] { return response; });
}

HttpResponse Service::answer(const Job& job, const Outcome& outcome) {
  counters_.observe_seconds(std::chrono::duration<double>(Clock::now() - job.arrived).count());
  if (!outcome.error.empty()) return refuse(500, outcome.error, job.model->version());
  InferResponse response{.model = options_.name, .version = job.model->version(), .id = job.id, .outputs = {}};
  for (const auto place : job.outputs) response.outputs.push_back({job.model->outputs()[place].name, outcome.outputs[place]});
  counters_.add("requests_total", labels_of(response.version, 200));
  return {.body = infer_response_json(response)};
}

void Service::work() {
  for (auto batch = queue_.next(); !batch.empty(); batch = queue_.next()) run_batch(batch);
}

// A request that the model fails on does not take the others with it.
void Service::run_batch(std::vector<WaitingRequest>& batch) {
  try {
    return run_together(batch);
  } catch (const std::exception&) {
    if (batch.size() == 1) return batch.front().done({.outputs = {}, .error = message_of(std::current_exception())});
  }
  for (auto& request : batch) {
    std::vector<WaitingRequest> alone;
    alone.push_back(std::move(request));
    run_batch(alone);
  }
}

void Service::run_together(std::vector<WaitingRequest>& batch) {
  auto& model = *batch.front().model;
  std::vector<at::Tensor> inputs;
  for (std::size_t i = 0; i < model.inputs().size(); ++i) {
    std::vector<at::Tensor> parts;
    for (const auto& request : batch) parts.push_back(request.inputs[i]);
    inputs.push_back(parts.size() == 1 ? parts.front() : at::cat(parts));
  }
  const auto rows = inputs.front().size(0);
  const auto outputs = model.run(inputs);
  for (const auto& output : outputs) {
    if (output.dim() == 0 || output.size(0) != rows)
      throw Error(ErrorCode::data, "the model's outputs have not one row for each of its inputs' rows");
  }
  count(batch, inputs, rows);
  const auto candidate = options_.shadow ? versions_.candidate() : nullptr;
  if (candidate && candidate != batch.front().model) shadow_.offer(candidate, std::move(inputs), outputs.front());
  std::int64_t row = 0;
  for (auto& request : batch) {
    Outcome outcome;
    for (const auto& output : outputs) outcome.outputs.push_back(output.narrow(0, row, request.rows));
    outcome.outputs = model.lengths().cut(std::move(outcome.outputs), request.padded, request.length);
    row += request.rows;
    request.done(std::move(outcome));
  }
}

void Service::count(const std::vector<WaitingRequest>& batch, const std::vector<at::Tensor>& inputs, std::int64_t rows) {
  const auto version = "version=\"" + batch.front().model->version() + "\"";
  std::int64_t padding = 0;
  for (const auto& request : batch)
    padding += request.padded > request.length ? elements_of(request.inputs) - elements_of(request.inputs) / request.padded * request.length : 0;
  counters_.add("batches_total", version);
  counters_.add("examples_total", version, static_cast<double>(rows));
  counters_.add("elements_total", version, static_cast<double>(elements_of(inputs)));
  counters_.add("padding_elements_total", version, static_cast<double>(padding));
}

}  // namespace dsc
