// The C library's allocator set for tensors that come and go at the same sizes.
#pragma once

namespace dsc {

// By default glibc returns large freed blocks to the kernel, which hands them out again page by page, cleared: up to a
// fifth of a network's run time. Afterwards blocks below 32 MB are kept and used again. Peak memory grows by the
// fragmentation, see limit_freed_memory. Without effect on other C libraries, and when the
// environment already sets the allocator (GLIBC_TUNABLES, MALLOC_*). May be called often.
void keep_freed_memory();

// Gives back what is kept once it has made the process an eighth larger than its tensors have ever been together: in a training's backward pass,
// where the blocks of small layers, freed first, fit none of the larger ones that follow (ResNet-50, batch 16: a quarter of the peak). Cheap enough
// to be called layer by layer.
void limit_freed_memory();

// What is kept goes back to the kernel now: between two parts of a work whose memory must be no more than one of them needs.
void return_freed_memory();

}  // namespace dsc
