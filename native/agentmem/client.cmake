# libagentmem: the agent's side. Compiled once, linked twice: the shared library for agents, whose only symbols are those
# of agentmem.h, and a static one for tests, the Python module and the Node addon.
add_library(nexus_am_client_objects OBJECT
    lib/client.c lib/client_acquire.c lib/client_agent.c lib/client_conversation.c lib/client_error.c
    lib/client_file.c lib/client_private.c lib/client_publish.c lib/client_share.c lib/client_slots.c
    lib/client_view.c lib/client_wire.c lib/kernel.c lib/kernel_agent.c lib/kernel_call.c lib/kernel_held.c
    lib/kernel_unit.c)
target_link_libraries(nexus_am_client_objects PUBLIC nexus_am_base)
set_target_properties(nexus_am_client_objects PROPERTIES C_VISIBILITY_PRESET hidden)

add_library(nexus_am_client STATIC $<TARGET_OBJECTS:nexus_am_client_objects>)
target_link_libraries(nexus_am_client PUBLIC nexus_am_base)

add_library(agentmem SHARED $<TARGET_OBJECTS:nexus_am_client_objects>)
target_include_directories(agentmem INTERFACE include)
set(symbols ${CMAKE_CURRENT_SOURCE_DIR}/lib/agentmem.map)
target_link_options(agentmem PRIVATE -Wl,--version-script=${symbols} -Wl,--as-needed)
target_link_libraries(agentmem PRIVATE nexus_am_base)
set_target_properties(agentmem PROPERTIES VERSION 1.0.0 SOVERSION 1 LINK_DEPENDS ${symbols})

# The seed's example, as a program that anybody could write: it knows agentmem.h and the shared library.
add_executable(agentmem-share examples/share.c)
target_link_libraries(agentmem-share PRIVATE nexus_flags agentmem)
add_subdirectory(node)
