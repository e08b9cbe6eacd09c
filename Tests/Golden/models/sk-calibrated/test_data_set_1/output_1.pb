BprobabilitiesJßš_?û–û=üAr;d-j?O=y*
<