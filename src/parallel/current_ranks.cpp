#include "parallel/current_ranks.h"

namespace dsc {
namespace {

thread_local Ranks* current = nullptr;

}  // namespace

Ranks& current_ranks() { return current ? *current : alone(); }

RanksScope::RanksScope(Ranks& ranks) : before_(current) { current = &ranks; }
RanksScope::~RanksScope() { current = before_; }

}  // namespace dsc
