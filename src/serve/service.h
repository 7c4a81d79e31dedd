// `dscompress serve`: a model over HTTP by the Open Inference Protocol.
//
// A request is parsed and checked on a thread of the server, waits in the queue, runs in a batch on the one thread that runs
// models, and is answered on a thread of the server again. A reload swaps a pointer: what waits is run by the version that it was
// checked against, and the version goes when its last request has been answered.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "serve/batch_queue.h"
#include "serve/capture.h"
#include "serve/counters.h"
#include "serve/http.h"
#include "serve/protocol.h"
#include "serve/routes.h"
#include "serve/shadow.h"
#include "serve/versions.h"

namespace dsc {

struct ServeOptions {
  std::string name;  // of the model; empty: the last part of its path
  VersionsOptions versions;
  bool shadow = false;  // the candidate runs on everything, and its answers are only compared
  HttpOptions http;
  BatchOptions batch;
  CaptureOptions capture;
};

class Service {
 public:
  // Serves from now on. errors: usage, io, and those of ServedModel.
  Service(const ServeOptions& options, const PassTable& passes);
  ~Service();

  const std::string& name() const { return options_.name; }
  std::string version() const { return versions_.stable()->version(); }
  int port() const { return http_->port(); }
  std::string metrics();
  // To be called again and again: new versions, files of captured traffic.
  void look_around();
  // Answers what has come, takes nothing more. errors: io, of the last captured traffic.
  void stop();

 private:
  struct Job;
  void handle(HttpRequest request, const HttpReply& reply);
  HttpResponse describe(const Route& route);
  void infer(const Route& route, const HttpRequest& request, const HttpReply& reply);
  std::shared_ptr<ServedModel> version_for(const Route& route, const HttpRequest& request, const std::string& id) const;
  void enqueue(const std::shared_ptr<Job>& job, InferRequest request);
  HttpResponse answer(const Job& job, const Outcome& outcome);
  HttpResponse refuse(int status, const std::string& message, const std::string& version = {});
  void work();
  void run_batch(std::vector<WaitingRequest>& batch);
  void run_together(std::vector<WaitingRequest>& batch);
  void count(const std::vector<WaitingRequest>& batch, const std::vector<at::Tensor>& inputs, std::int64_t rows);

  ServeOptions options_;
  Counters counters_;
  Versions versions_;
  Capture capture_;
  Shadow shadow_;
  BatchQueue queue_;
  std::unique_ptr<HttpServer> http_;  // after what its threads use
  std::thread worker_;
  bool stopped_ = false;
};

}  // namespace dsc
