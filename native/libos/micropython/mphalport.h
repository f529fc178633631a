/* What MicroPython asks of hardware: the clocks that asyncio counts in. */
#include "nx.h"

#define mp_hal_ticks_ms() ((mp_uint_t)(nx_monotonic() / 1000000))
#define mp_hal_ticks_us() ((mp_uint_t)(nx_monotonic() / 1000))
#define mp_hal_ticks_cpu() ((mp_uint_t)nx_monotonic())
#define mp_hal_time_ns() ((uint64_t)nx_now())
#define mp_hal_delay_ms(ms) nx_sleep((int64_t)(ms) * 1000000)
#define mp_hal_delay_us(us) nx_sleep((int64_t)(us) * 1000)
