// An HTTP/1.1 server: requests in, responses out when they are ready, from whichever thread.
//
// Goals: connections cost no thread, and nothing grows with what a client sends or how slowly: headers, bodies, connections and the
// time for a request are limited. Non-goals: TLS and authentication, which a proxy in front does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace dsc {

struct HttpRequest {
  std::string method, target;  // target without what follows `?`
  std::string body;
  std::optional<std::uint64_t> json_length;  // header Inference-Header-Content-Length: so much of the body is JSON, the rest tensors
};
struct HttpResponse {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  int retry_after = 0;  // seconds; 0: not said
};
// To be called once, from any thread. The function runs on a thread of the server.
using HttpReply = std::function<void(std::function<HttpResponse()>)>;
using HttpHandler = std::function<void(HttpRequest, HttpReply)>;  // on a thread of the server

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                     // 0: any that is free
  int threads = 2;                     // that read, parse and write
  std::uint64_t max_body = 8'000'000;  // bytes; more: 413
  std::int64_t max_connections = 512;  // more: 503
  double idle_seconds = 30;            // for a request to arrive, and for its response to be taken
};

class HttpServer {
 public:
  // Listens from now on. refused: called for each request that did not reach the handler, with its status. errors: io, usage
  // (the address).
  HttpServer(const HttpOptions& options, HttpHandler handler, std::function<void(int)> refused);
  ~HttpServer();
  int port() const;
  // No new connections and requests; returns when all responses are written, at the latest after so long.
  void stop(double seconds);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dsc
