// Which of its addresses a machine is reached at.
#pragma once

#include <cstdint>
#include <string>

namespace dsc {

// The own address, as digits, on the way to another machine: that of the interface which packets to it would leave by. With
// GLOO_SOCKET_IFNAME the address of that interface. errors: io, for a name that is not known or cannot be reached.
std::string local_address(const std::string& other, std::uint16_t port);

}  // namespace dsc
