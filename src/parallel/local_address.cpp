#include "parallel/local_address.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "dscompress/error.h"

namespace dsc {
namespace {

std::string digits_of(const sockaddr* address, socklen_t size) {
  std::array<char, NI_MAXHOST> text{};
  const int failed = ::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
  if (failed != 0) throw Error(ErrorCode::io, std::string("cannot print an address: ") + ::gai_strerror(failed));
  return text.data();
}

std::string address_of_interface(const std::string& name) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) throw Error(ErrorCode::io, std::string("cannot list the network interfaces: ") + std::strerror(errno));
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
      if (!entry->ifa_addr || entry->ifa_addr->sa_family != family || name != entry->ifa_name) continue;
      return digits_of(entry->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    }
  }
  throw Error(ErrorCode::io, "there is no network interface `" + name + "` with an address", {}, "correct GLOO_SOCKET_IFNAME; `ip address` lists them");
}

// A datagram socket is connected without sending anything; the system chooses its address.
std::string address_towards(const addrinfo& other) {
  const int socket = ::socket(other.ai_family, SOCK_DGRAM, 0);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  const bool found = socket >= 0 && ::connect(socket, other.ai_addr, other.ai_addrlen) == 0 && ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) == 0;
  if (socket >= 0) ::close(socket);
  return found ? digits_of(reinterpret_cast<const sockaddr*>(&own), size) : std::string();
}

}  // namespace

std::string local_address(const std::string& other, std::uint16_t port) {
  if (const char* name = std::getenv("GLOO_SOCKET_IFNAME"); name && *name) return address_of_interface(name);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(other.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (failed != 0) throw Error(ErrorCode::io, "the address `" + other + "` is not known: " + ::gai_strerror(failed), {}, "correct MASTER_ADDR");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
    if (auto own = address_towards(*entry); !own.empty()) return own;
  }
  throw Error(ErrorCode::io, "no network interface leads to `" + other + "`: " + std::strerror(errno), {}, "name one in GLOO_SOCKET_IFNAME");
}

}  // namespace dsc
