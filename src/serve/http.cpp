#include "serve/http.h"

#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "dscompress/error.h"
#include "exec/foreign_error.h"

namespace dsc {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
using tcp = net::ip::tcp;

constexpr std::uint32_t kMaxHeader = 8192;

std::chrono::milliseconds to_time(double seconds) { return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds)); }

// 0: the client went away, or took too long.
int status_of(const beast::error_code& error) {
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit) return 431;
  const bool is_http = error.category() == beast::error_code(http::error::bad_method).category();
  return is_http && error != http::error::end_of_stream && error != http::error::partial_message ? 400 : 0;
}

HttpRequest to_request(http::request<http::string_body>&& message) {
  HttpRequest request{.method = std::string(message.method_string()), .target = std::string(message.target()), .body = {}, .json_length = {}};
  request.target = request.target.substr(0, request.target.find('?'));
  if (const auto found = message.find("Inference-Header-Content-Length"); found != message.end()) {
    const std::string text(found->value());
    const bool is_number = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
    request.json_length = is_number ? std::stoull(text) : message.body().size() + 1;  // which is refused as longer than the body
  }
  request.body = std::move(message.body());
  return request;
}

}  // namespace

struct HttpServer::State {
  HttpOptions options;
  HttpHandler handler;
  std::function<void(int)> refused;
  std::atomic<std::int64_t> connections{0};
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable answered;
  std::int64_t in_flight = 0;  // requests whose response is not written yet
  int port = 0;
  net::io_context io;  // holds connections, which count themselves above
  tcp::acceptor acceptor{net::make_strand(io)};
  std::vector<std::thread> threads;

  class Connection;
  void listen();
  void accept();
  void began() {
    const std::lock_guard lock(mutex);
    ++in_flight;
  }
  void ended() {
    const std::lock_guard lock(mutex);
    --in_flight;
    answered.notify_all();
  }
};

// One after the other: a request is read, handled, answered. All steps run on the connection's strand.
class HttpServer::State::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, State& state) : stream_(std::move(socket)), state_(state) { ++state_.connections; }
  ~Connection() { --state_.connections; }

  void start() {
    net::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->read_header(); });
  }
  void turn_away() {
    net::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->refuse(503); });
  }

 private:
  void read_header() {
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(state_.options.max_body);
    stream_.expires_after(to_time(state_.options.idle_seconds));
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->refuse(status_of(error));
      self->read_body();
    });
  }

  void read_body() {
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue") && !parser_->is_done()) {
      continue_ = http::response<http::empty_body>(http::status::continue_, parser_->get().version());
      return http::async_write(stream_, continue_, [self = shared_from_this()](beast::error_code error, std::size_t) {
        if (!error) self->read_rest();
      });
    }
    read_rest();
  }

  void read_rest() {
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->refuse(status_of(error));
      self->handle();
    });
  }

  void handle() {
    keep_alive_ = parser_->get().keep_alive();
    version_ = parser_->get().version();
    stream_.expires_never();
    state_.began();
    const auto reply = [self = shared_from_this()](std::function<HttpResponse()> make) {
      net::post(self->stream_.get_executor(), [self, make = std::move(make)] { self->answer(make); });
    };
    try {
      state_.handler(to_request(parser_->release()), reply);
    } catch (const std::exception&) {
      const std::string text = to_error(std::current_exception()).what();
      reply([text] { return HttpResponse{.status = 500, .body = text + "\n", .type = "text/plain"}; });
    }
  }

  void answer(const std::function<HttpResponse()>& make) {
    write(make(), keep_alive_ && !state_.stopping, [](Connection& self, bool keeps_alive) {
      self.state_.ended();
      if (keeps_alive)
        self.read_header();
      else
        self.linger();
    });
  }

  // Whatever the client still sends is not read as a further request.
  void refuse(int status) {
    if (status == 0) return;
    state_.refused(status);
    const HttpResponse response{
        .status = status, .body = std::string(http::obsolete_reason(static_cast<http::status>(status))) + "\n", .type = "text/plain"};
    write(response, false, [](Connection& self, bool) { self.linger(); });
  }

  template <class Then>
  void write(HttpResponse response, bool keeps_alive, Then then) {
    message_ = http::response<http::string_body>(static_cast<http::status>(response.status), version_);
    message_.set(http::field::content_type, response.type);
    if (response.retry_after > 0) message_.set(http::field::retry_after, std::to_string(response.retry_after));
    if (response.status == 405) message_.set(http::field::allow, "GET, POST");
    message_.keep_alive(keeps_alive);
    message_.body() = std::move(response.body);
    message_.prepare_payload();
    stream_.expires_after(to_time(state_.options.idle_seconds));
    http::async_write(stream_, message_,
                      [self = shared_from_this(), keeps_alive, then](beast::error_code error, std::size_t) { then(*self, keeps_alive && !error); });
  }

  // Closing with unread bytes in the socket would reset the connection before the client has read the response.
  void linger() {
    beast::error_code ignored;  // the client is gone: so much the better
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(std::chrono::seconds(2));
    drain(state_.options.max_body);
  }
  void drain(std::uint64_t most) {
    scratch_.resize(65536);
    stream_.async_read_some(net::buffer(scratch_), [self = shared_from_this(), most](beast::error_code error, std::size_t size) {
      if (!error && size < most) self->drain(most - size);
    });
  }

  beast::tcp_stream stream_;
  State& state_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::empty_body> continue_;
  http::response<http::string_body> message_;
  std::vector<char> scratch_;
  bool keep_alive_ = false;
  unsigned version_ = 11;
};

void HttpServer::State::listen() {
  beast::error_code error;
  const auto address = net::ip::make_address(options.host, error);
  if (error) throw Error(ErrorCode::usage, "`" + options.host + "` is no IP address", {}, "give one of this machine's: 127.0.0.1, 0.0.0.0 for all");
  try {
    const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options.port));
    acceptor.open(endpoint.protocol());
    acceptor.set_option(net::socket_base::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
    port = acceptor.local_endpoint().port();
  } catch (const boost::system::system_error& failed) {
    throw Error(ErrorCode::io, "cannot listen on " + options.host + " port " + std::to_string(options.port) + ": " + failed.code().message(), {},
                "choose another --port, or 0 for any");
  }
}

void HttpServer::State::accept() {
  acceptor.async_accept(net::make_strand(io), [this](beast::error_code error, tcp::socket socket) {
    if (stopping) return;
    if (error) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // out of descriptors: others have to close first
    } else {
      beast::error_code ignored;  // slower answers are no reason to turn a client away
      socket.set_option(tcp::no_delay(true), ignored);
      const bool is_full = connections >= options.max_connections;
      const auto connection = std::make_shared<Connection>(std::move(socket), *this);
      is_full ? connection->turn_away() : connection->start();
    }
    accept();
  });
}

HttpServer::HttpServer(const HttpOptions& options, HttpHandler handler, std::function<void(int)> refused) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->handler = std::move(handler);
  state_->refused = std::move(refused);
  state_->listen();
  state_->accept();
  for (int i = 0; i < options.threads; ++i) state_->threads.emplace_back([state = state_.get()] { state->io.run(); });
}

HttpServer::~HttpServer() {
  stop(0);
  state_->io.stop();
  for (auto& thread : state_->threads) thread.join();
}

int HttpServer::port() const { return state_->port; }

void HttpServer::stop(double seconds) {
  if (!state_->stopping.exchange(true)) {
    net::post(state_->acceptor.get_executor(), [state = state_.get()] {
      beast::error_code ignored;  // it is closed either way
      state->acceptor.close(ignored);
    });
  }
  std::unique_lock lock(state_->mutex);
  state_->answered.wait_for(lock, to_time(seconds), [this] { return state_->in_flight == 0; });
}

}  // namespace dsc
