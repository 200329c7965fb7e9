/* functions of the trail's spool that have not landed yet */
#pragma once
#pragma weak trail_record_denied
#pragma weak trail_record_event
#pragma weak trail_require_writer
