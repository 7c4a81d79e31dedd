// The HTTP server against a client that does as it likes.
#include "serve/http.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

#include "dscompress/error.h"
#include "serve/http_client.h"
#include "support/program.h"

namespace dsc::test {
namespace {

// Answers with method, path and length; to /later from a thread of its own, to /fail with an exception.
class Echo {
 public:
  explicit Echo(HttpOptions options = {.port = 0, .max_body = 1000}) {
    options.port = 0;
    server_ = std::make_unique<HttpServer>(
        options, [this](HttpRequest request, const HttpReply& reply) { handle(std::move(request), reply); },
        [this](int status) {
          const std::lock_guard lock(mutex_);
          refused_.push_back(status);
        });
  }
  ~Echo() {
    server_.reset();
    for (auto& thread : threads_) thread.join();
  }
  int port() const { return server_->port(); }
  HttpServer& server() { return *server_; }
  std::vector<int> refused() {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  void handle(HttpRequest request, const HttpReply& reply) {
    if (request.target == "/fail") throw Error(ErrorCode::internal, "it failed");
    const auto text = request.method + " " + request.target + " " + std::to_string(request.body.size()) +
                      (request.json_length ? " json " + std::to_string(*request.json_length) : "");
    const auto answer = [reply, text] { reply([text] { return HttpResponse{.body = text}; }); };
    if (request.target != "/later") return answer();
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([answer] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      answer();
    });
  }
  std::unique_ptr<HttpServer> server_;
  std::mutex mutex_;
  std::vector<int> refused_;
  std::vector<std::thread> threads_;
};

TEST(Http, ConnectionsAreKeptAndAnswersComeFromOtherThreads) {
  Echo echo;
  HttpClient client(echo.port());
  EXPECT_EQ(client.get("/a?b=c").body, "GET /a 0");
  EXPECT_EQ(client.post("/later", "12345").body, "POST /later 5");
  EXPECT_EQ(client.post("/a", "{}xx", "Inference-Header-Content-Length: 2\r\n").body, "POST /a 4 json 2");
  EXPECT_EQ(client.post("/a", "{}", "Inference-Header-Content-Length: -2\r\n").body, "POST /a 2 json 3");
  EXPECT_EQ(client.get("/fail").status, 500);
  EXPECT_EQ(client.get("/a").status, 200) << "one failure is one answer";
  client.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.is_closed());
}

TEST(Http, WaitsForTheGoAheadOfLargeBodies) {
  Echo echo;
  HttpClient client(echo.port());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("abc");
  EXPECT_EQ(client.receive().body, "POST /a 3");
}

TEST(Http, TooLargeOrNoHttpIsRefusedAndTheConnectionClosed) {
  Echo echo;
  const auto chunk = "3e8\r\n" + std::string(1000, 'x') + "\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x'), 413},
      {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n", 413},
      {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk, 413},
      {"GET /a HTTP/1.1\r\nHost: x\r\nLong: " + std::string(20000, 'x') + "\r\n\r\n", 431},
      {"GET /" + std::string(20000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
      {"nonsense\r\n\r\n", 400},
      {std::string("\x16\x03\x01\x02\x00", 5) + std::string(20, '\x01') + "\r\n\r\n", 400},
      {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400},
      {"GET /a HTTP/7.3\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    HttpClient client(echo.port());
    client.send(bytes);
    EXPECT_EQ(client.receive().status, status) << bytes.substr(0, 80);
    EXPECT_TRUE(client.is_closed()) << bytes.substr(0, 80);
  }
  EXPECT_EQ(echo.refused().size(), cases.size());
  EXPECT_EQ(HttpClient(echo.port()).get("/a").status, 200);
}

TEST(Http, MoreConnectionsThanAllowedAreTurnedAway) {
  Echo echo({.max_connections = 1});
  HttpClient first(echo.port());
  EXPECT_EQ(first.get("/a").status, 200);
  EXPECT_EQ(HttpClient(echo.port()).receive().status, 503);
  EXPECT_EQ(first.get("/a").status, 200);
}

TEST(Http, ARequestThatDoesNotArriveInTimeEndsTheConnection) {
  Echo echo({.idle_seconds = 0.05});
  HttpClient client(echo.port());
  client.send("POST /a HTTP/1.1\r\nContent-Le");
  EXPECT_TRUE(client.is_closed());
}

TEST(Http, StoppingAnswersWhatHasComeAndTakesNothingMore) {
  Echo echo;
  HttpClient client(echo.port());
  client.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  HttpClient other(echo.port());
  EXPECT_EQ(other.get("/a").status, 200) << "so the first one has come, too";
  echo.server().stop(20);
  const auto answer = client.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(contains(answer.head, "Connection: close"));
}

TEST(Http, AnAddressThatCannotBeHadIsAnErrorWithARemedy) {
  Echo echo;
  HttpOptions taken{.port = echo.port()};
  taken.host = "127.0.0.1";
  const auto nothing = [](HttpRequest, const HttpReply&) {};
  // Another server on the same port: SO_REUSEADDR alone does not share it.
  EXPECT_THROW(HttpServer(taken, nothing, [](int) {}), Error);
  EXPECT_THROW(HttpServer({.host = "nowhere", .port = 0}, nothing, [](int) {}), Error);
}

}  // namespace
}  // namespace dsc::test
