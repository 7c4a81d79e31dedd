// A client with a connection of its own, that sends what it is told, well-formed or not.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace dsc::test {

struct HttpAnswer {
  int status = 0;  // 0: the connection ended without one
  std::string head, body;
};

class HttpClient {
 public:
  explicit HttpClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval most{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  }
  ~HttpClient() { ::close(socket_); }
  HttpClient(const HttpClient&) = delete;

  void send(const std::string& bytes) const {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const auto now = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return;  // the server has closed: what it answered is there to be read
      sent += static_cast<std::size_t>(now);
    }
  }
  HttpAnswer receive() {
    while (buffer_.find("\r\n\r\n") == std::string::npos) {
      if (!more()) return {};
    }
    const auto end = buffer_.find("\r\n\r\n") + 4;
    HttpAnswer answer{.status = std::atoi(buffer_.c_str() + 9), .head = buffer_.substr(0, end), .body = {}};
    const auto at = answer.head.find("Content-Length: ");
    const std::size_t length = at == std::string::npos ? 0 : std::strtoul(answer.head.c_str() + at + 16, nullptr, 10);
    while (buffer_.size() < end + length) {
      if (!more()) return {};
    }
    answer.body = buffer_.substr(end, length);
    buffer_.erase(0, end + length);
    return answer;
  }
  HttpAnswer get(const std::string& path) {
    send("GET " + path + " HTTP/1.1\r\nHost: here\r\n\r\n");
    return receive();
  }
  HttpAnswer post(const std::string& path, const std::string& body, const std::string& headers = {}) {
    send("POST " + path + " HTTP/1.1\r\nHost: here\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return receive();
  }
  bool is_closed() { return buffer_.empty() && !more(); }

 private:
  bool more() {
    char bytes[65536];
    const auto now = ::recv(socket_, bytes, sizeof bytes, 0);
    if (now > 0) buffer_.append(bytes, static_cast<std::size_t>(now));
    return now > 0;
  }
  int socket_;
  std::string buffer_;
};

}  // namespace dsc::test
