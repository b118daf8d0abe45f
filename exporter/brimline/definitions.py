"""Every number that somebody calls "used", by kind of subject: its measure, its name, and who shows it. Pure."""

from __future__ import annotations

from typing import Final

from brimline.model import Kind

# measure, what it is called, who shows it or what it holds
_CGROUP: Final = (
    ("memory_used_bytes", "used", "Brimline; what the OOM killer is left with"),
    ("memory_working_set_bytes", "working set", "docker stats, kubectl top, cAdvisor"),
    ("memory_usage_bytes", "usage", "systemctl status, memory.current, the kernel"),
    ("memory_anon_bytes", "anonymous", "container_memory_rss of cAdvisor"),
    ("memory_shmem_bytes", "shared memory", 'part of "cache" everywhere, never droppable'),
    ("memory_file_bytes", "page cache", 'cAdvisor\'s cache, "buff/cache" of free'),
    ("memory_mapped_file_bytes", "mapped files", "model weights (safetensors, GGUF) by mmap"),
    ("memory_kernel_bytes", "kernel", "slab, stacks, page tables"),
    ("memory_swap_bytes", "swap", "container_memory_swap of cAdvisor"),
    ("memory_largest_process_bytes", "largest RSS", "the top line of top, ps, htop"),
    ("memory_peak_bytes", "peak usage", "highest since its start, not current"),
)
_PROCESS: Final = (
    ("memory_pss_bytes", "PSS", "smem; shared pages divided among sharers"),
    ("memory_rss_bytes", "RSS, summed", "top, ps, htop; counts shared pages each time"),
    ("memory_uss_bytes", "USS", "what would be free if they all exited"),
    ("memory_largest_process_bytes", "largest RSS", "the top line of top, ps, htop"),
    ("memory_swap_bytes", "swap", "VmSwap of /proc/PID/status"),
)
_HOST: Final = (
    ("memory_used_bytes", "used", "Brimline; total - available"),
    ("memory_available_bytes", "available", '"available" of free -m'),
    ("memory_total_bytes", "total", "MemTotal"),
    ("memory_swap_total_bytes", "swap, total", '"Swap" of free -m'),
    ("memory_swap_free_bytes", "swap, free", '"Swap" of free -m'),
)
DEFINITIONS: Final = {Kind.CONTAINER: _CGROUP, Kind.CGROUP: _CGROUP, Kind.PROCESS: _PROCESS, Kind.HOST: _HOST}
