BprobabilitiesJÙ¡?®
’?©@à4ƒ?¶
€?JÙ@