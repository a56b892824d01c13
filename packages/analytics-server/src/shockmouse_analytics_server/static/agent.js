(()=>{"use strict"
let ea=document.currentScript||document.querySelector("script[data-key]"),ew=window.shockmouse
if(!ea||ew?.version)return
let eq=ew?.q||[],ej="0.1.0",b=ea.dataset,y=e=>b.autotrack?.split(/\s+/).includes(e)??e!=="hash",ez=navigator.globalPrivacyControl||navigator.doNotTrack==="1",eA=b.privacy||"balanced",eo=ez||!/^(balanced|full)$/i.test(eA)?"strict":eA.toLowerCase(),ei=+b.sampleRate,er=ei>0&&ei<1?ei:1,M=new URL(b.events||"v1/events",new URL(b.endpoint?.replace(/\/?$/,"/")||ea.src,location))
M.searchParams.set("key",b.key)
let eB=6e4,eC=()=>{},p=t=>(...n)=>{try{let e=t(...n)
e?.catch?.(eC)
return e}catch{}},m=(N,e)=>N.split(" ").forEach(t=>addEventListener(t,p(e),!0)),j=(e,z)=>(""+e).slice(0,z).replace(/[\ud800-\udbff]$/,""),eD=0,F=()=>{let e="0"+(eD=Math.max(eD+1,Date.now())).toString(16),t=[...crypto.getRandomValues(new Uint8Array(18))],n=()=>(t.pop()&15).toString(16)
return e.slice(0,8)+"-"+e.slice(8)+"-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g,n)},tn=p((e,t=localStorage)=>t.getItem("shockmouse."+e)),A=p((e,t,n=localStorage)=>n.setItem("shockmouse."+e,t)),es=p((e,t=localStorage)=>t.removeItem("shockmouse."+e)),N=O=>Object.keys(localStorage).filter(e=>e.startsWith("shockmouse."+O)),P=(e,t,n)=>t.exec(tn(e,n))?.[0],G=b.consent==="given"&&"yes",Q=()=>(ez&&b.gpc==="drop"?"no":P("consent",/^(yes|no)$/)||G),eE=()=>P("device",/^[\w-]{36}$/),ec=()=>eE()||(A("device",F()),eE()),B=()=>(Q()==="yes"&&eo!=="strict"&&ec()?eo:"strict"),g,ta=e=>{let t=/^{"id":"[\w-]{36}","started":\d{13},"last":\d{13}}$/
g=p(JSON.parse)(P("session",t,sessionStorage))||g
if(!g||e-g.last>18e5||e-g.started>864e5)
g={id:F(),started:e}
if(!(e-g.last<9e3)){g.last=e
A("session",JSON.stringify(g),sessionStorage)}
return g},R=e=>new TextEncoder().encode(e),ed=t=>{let e=0x811c9dc5
for(let n of R(t))e=Math.imul(e^n,0x01000193)
e=Math.imul(e^(e>>>16),0x85ebca6b)
e=Math.imul(e^(e>>>13),0xc2b2ae35)
return(e^(e>>>16))>>>0},{userAgentData:el,language:eF}=navigator,S=e=>(B()==="full"?e:Math.round(e/100)*100),T,to=t=>{let e={platform:el?.platform||navigator.platform,touch:navigator.maxTouchPoints>0,mobile:el?.mobile,viewport:S(innerWidth)+"x"+S(innerHeight),pixel_ratio:devicePixelRatio,dark:matchMedia("(prefers-color-scheme:dark)").matches}
if(t!=="strict")
Object.assign(e,{cores:navigator.hardwareConcurrency,memory:navigator.deviceMemory,color_depth:screen.colorDepth,gamut:["rec2020","p3","srgb"].find(a=>matchMedia("(color-gamut:"+a+")").matches),hdr:matchMedia("(dynamic-range:high)").matches})
if(t==="full"){let{vendor:o}=navigator
Object.assign(e,{languages:""+navigator.languages,vendor:o,math:Math.tan(-1e300)},T)
if(!T){T={}
el?.getHighEntropyValues(["architecture","model","platformVersion","uaFullVersion"]).then(r=>{T={...r,brands:undefined}
eu=0},eC)}}
let n=b.key+JSON.stringify(e)
return{hash:ed(n).toString(16)+ed(n+1).toString(16),signals:e}},ti=t=>{let e=navigator.webdriver||undefined
if(t==="strict")return{webdriver:e,locale:eF.split("-")[0]}
return{webdriver:e,locale:eF,timezone:Intl.DateTimeFormat().resolvedOptions().timeZone,screen:{width:S(screen.width),height:S(screen.height)}}},tr=F(),ts=0,f=[],U={},eG=(n,a)=>{let{events:o,dropped:e}=JSON.parse(a)
e[n]=(e[n]||0)+o.length
for(let t in e)U[t]=(U[t]||0)+e[t]},ep,eH,h,eu,v=(s,n,c,d,l=h)=>{if(Q()==="no")return
let a=Date.now(),e=B(),t=e!=="strict"&&ta(a),o=t?ec():undefined
if(t&&er<1&&ed(o)>=er*2**32)return
let r={event_id:F(),type:s,name:n&&j(n,255),timestamp:new Date(a),properties:c,user_id:eH,device_id:o,session_id:t.id,session_started_at:t?new Date(t.started):undefined,privacy:e,sample_rate:er,boot_id:tr,seq:ts++,context:{page:l},user_properties:d,}
if(eu!==e)r.fingerprint=to((eu=e))
f.push([JSON.stringify(r),JSON.stringify([e,U])])
U={}
ep??=setTimeout(p(em),1000)},H=new Map(),eI=s=>{ep=clearTimeout(ep)
if(!f.length)return
let t=F(),[[c,n]]=f,[d,l]=JSON.parse(n),u={batch_id:t,library:{name:"shockmouse-agent",version:ej},context:ti(d),dropped:l},a=JSON.stringify(u).slice(0,-1)+',"events":[',e=1
for(let o=R(a+c).length;f[e]?.[1]===n;e++){o+=R(f[e][0]).length+1
if(o>s)break}
let r=f.splice(0,e)
return[t,a+r.map(([ty])=>ty)+"]}",r]},eJ=e=>'{"sent_at":"'+new Date().toJSON()+'",'+e.slice(1),eK=e=>{H.delete(e)
es("batch."+e)},eL=()=>{if(B()!=="strict")
for(let e of N("batch.")){let t=P(e.slice(11),/^{"batch_id".*/s)
if(t)H.set(e.slice(17),t)}
return[...H].sort()},eh=p((t,e)=>{H.set(t,e)
if(B()!=="strict")A("batch."+t,e)
let n=0
for(let[t,e]of eL().reverse()){if((n+=e.length)>256e3){eK(t)
eG("queue_full",e)}}}),V=0,z=eB,eM,eg=async(a,e,o)=>{eh(a,e)
let r=R(e).length,t,s
try{let n=await fetch(M,{method:"POST",body:eJ(e),keepalive:r<=eB,signal:AbortSignal.timeout?.(3e4)})
t=n.status
s=n.headers.get("retry-after")*1000
await n.text()}catch{}
if(t&&!/40[1348]|29|5../.test(t)){V=0
eK(a)
if(t===413){z=Math.min(z,r/2)
if(o?.[1])f=o.concat(f)
else eG("too_large",e)}
return!0}
clearTimeout(eM)
eM=setTimeout(W,Math.min((s||0)+Math.random()*500*2**++V,3e5))},ef=async()=>{for(let[e,t]of eL())if(Q()==="no"||!(await eg(e,t)))return},W=p(()=>navigator.locks?.request("shockmouse",ef).catch(ef)??ef()),em=async()=>{for(let e;(e=eI(z));)V?eh(...e):await eg(...e)},tc=e=>p(()=>fetchLater(M,{method:"POST",body:e,activateAfter:0}))()||p(()=>navigator.sendBeacon(M,e))(),eN=()=>{let e=navigator.onLine&&(!V||B()==="strict")
for(let n=z;f.length;){let[a,t,o]=eI(n)
if(e&&tc(eJ(t)))continue
if(e&&(n/=2)>500)f=o.concat(f)
else{eh(a,t)
if(e)eg(a,t,o).then(em)}}},I=Symbol(),eO=a=>{let{origin:o,pathname:e,search:n}=location,t=y("hash")?location.hash.split("?")[0]:"",r=n.replace(/[?&](?!utm_)[^&]*/g,"").replace(/^&/,"?")
return{url:o+e+r+t,path:(e+t).replace(/\/?#\/?/,"/"),title:""+document.title,referrer:h&&!a?h.url:document.referrer.split("?")[0],[I]:e+n+t}},ev=(t,n)=>{let e=eO(n)
if(h&&!n&&h[t]===e[t])return(h[I]=e[I])
if(h)eP()
for(let a of k.keys())if(!a.isConnected)X(a,"abandon")
h=e
Y=0
eQ()
if(y("pages"))v("page",h.title)},eb=e=>()=>setTimeout(p(ev),0,e),Z=p((e,t,a)=>{let o=e[t]
e[t]=function(...n){let r=o.apply(this,n)
p(a)(this,...n)
return r}}),Y=0,_=0,C=0,eQ=()=>{let e=((scrollY+innerHeight)/document.documentElement.scrollHeight)*100
Y=Math.min(Math.max(Y,Math.round(e)),100)},J=()=>{let e=performance.now()
if(C)_+=e-C
C=!document.hidden&&document.hasFocus()?e:0},eP=()=>{J()
if(_<100)return
if(y("scroll"))
v("performance","engagement",{scroll_percent:Y,engaged_ms:Math.round(_)})
_=0},eR="a,button,summary,[role=button],[role=link]",td=eR+",[role=tab],[role^=menuitem],[data-shockmouse-name],select,input,textarea",tl=/\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i,eS=e=>e.composedPath().filter(t=>t.nodeType===1),ey=e=>e.some(t=>t.closest("[data-shockmouse-ignore]")),tu=e=>{let t={tag:e.localName}
for(let{name:n,value:r}of e.attributes){let a={id:"id",class:"classes","aria-label":"label"}[n]||n.split("data-shockmouse-")[1]
if(a)t[a]=j(r,200)}
let o=":read-write,textarea,select"
if(e.matches(eR)&&!e.matches(o)&&!e.querySelector(o))
t.text=j(e.textContent.replace(/\s+/g," ").trim(),80)
return t},ek=[],K,tp=o=>{let n=eS(o),t=n.find(a=>a.matches("a[href]"))
if(!n[0]||n[0]===K||o.button>(t?1:0))return
let r=n.find(a=>a.control?.labels||a.matches(td))
K=r?.control
setTimeout(()=>(K=0))
let s=!K?.labels||r.matches("[data-shockmouse-name]")?r:K
if(ey(n.concat(s||[])))return
let e=tu(s||n[0])
if(/^https?:$/.test(t?.protocol)){e.href=t.origin+t.pathname
if(y("outbound")&&t.host!==location.host)e.outbound=!0
if(y("downloads")&&(t.hasAttribute("download")||tl.test(t.pathname)))e.download=!0}
let{timeStamp:d,x:l,y:u,detail:ty}=o
ek=ek.filter(c=>d-c.at<1000&&Math.hypot(l-c.x,u-c.y)<=30)
if(ty&&ek.push({at:d,x:l,y:u})===3)e.rage=!0
if(y("clicks")?s||e.rage:e.outbound||e.download)
v("click",e.name||e.label||e.text||e.id||e.tag,e)},k=new Map(),tm=/pass|pwd|^hidden|card|kart|cc[-_n]|cvc|cvv|secur|iban|ssn|secret|token|p[ai]n$|otp/i,th=o=>{let n=eS(o),{form:e,name:r,id:s,type:c,autocomplete:d}=n[0]
if(!e||ey(n))return
if(!k.has(e))k.set(e,{since:performance.now(),fields:[]})
let{fields:a}=k.get(e),t=j(r||s,80)
if(t&&!tm.test(c+d+t)&&!a.includes(t))a.push(t)},X=(e,a)=>{let{since:C=0,fields:o=[]}=k.get(e)||{}
k.delete(e)
if(ey([e]))return
let t=e.getAttribute("name")||e.getAttribute("id")||undefined,n=new URL(e.getAttribute("action")||"",location).pathname
v("form",t||n,{form:t,action:n,fields:o,outcome:a,duration_ms:C&&Math.round(performance.now()-C)})},eT=[],D=p((e,a,o)=>{if(!PerformanceObserver.supportedEntryTypes.includes(e))return
let t=p(r=>r.forEach(a)),n=new PerformanceObserver(s=>t(s.getEntries()))
n.observe({type:e,buffered:!0,...o})
eT.push(()=>t(n.takeRecords()))}),eU=()=>performance.getEntriesByType("navigation")[0],x,ee,L,eV,w,E,ex,et,en,eW,eX=e=>{let t=(x={TTFB:e?0:undefined,CLS:0})
L=e
ee=e||eU()?.activationStart||0
eV=e||document.hidden
w={sum:0}
E=new Map()
ex=performance.interactionCount||0
et=en=0
eW=h
if(e)
requestAnimationFrame(()=>requestAnimationFrame(()=>(t.FCP=t.LCP=performance.now()-ee)))},eY=e=>({startTime:t})=>{if(!eV)x[e]=Math.max(t-ee,0)},tg=()=>{eX(0)
D("paint",o=>o.name==="first-contentful-paint"&&eY("FCP")(o))
D("largest-contentful-paint",eY("LCP"))
D("layout-shift",({startTime:e,value:s,hadRecentInput:c})=>{if(c||e<L)return
if(!(w.sum&&e-w.last<1000&&e-w.first<5000))
w={sum:0,first:e}
w.last=e
x.CLS=Math.max(x.CLS,(w.sum+=s))})
let r=({interactionId:n,startTime:e,duration:a})=>{if(!n||e<L)return
E.set(n,Math.max(E.get(n)||0,a))
let t=[...E].sort((d,l)=>l[1]-d[1])
if(t.length>10)E.delete(t.pop()[0])
let u=performance.interactionCount-ex||E.size
x.INP=t[Math.min(t.length-1,Math.floor(u/50))][1]}
D("event",r,{durationThreshold:40})
D("first-input",r)
D("longtask",({duration:a})=>{et++
en=Math.max(en,a)})},tf=()=>{eT.forEach(a=>a())
let e=x
if(!e)return
x=undefined
if(!L)e.TTFB=Math.max(eU()?.responseStart-ee,0)
if(!e.FCP)delete e.CLS
if(L&&performance.interactionCount>ex)e.INP??=8
let n=(t,o)=>v("performance",t,o,undefined,eW)
for(let t in e)if(e[t]>=0)n(t,{value:+e[t].toFixed(4)})
if(et)n("longtask",{count:et,duration_ms:Math.round(en)})},eZ=e=>new URL(e,document.baseURI).origin===location.origin&&B()!=="strict"&&g&&"01;s="+g.id+";d="+ec(),tv=p((e,t)=>{let n=!t?.url&&eZ(e.url||e)
if(!n)return
let a=new Headers(t?.headers||e.headers)
a.set("Shockmouse-Session",n)
return{...t,headers:a}}),tb=()=>{let{fetch:a}=window
window.fetch=(e,t)=>a(e,tv(e,t)||t)
Z(XMLHttpRequest.prototype,"open",(o,s,r)=>{let n=eZ(r)
if(n)o.setRequestHeader("Shockmouse-Session",n)})},e_={track:(e,t)=>v("track",e,t),page:(e,t)=>{h=eO()
v("page",e||h.title,t)},identify:(n,t)=>{eH=n?j(n,256):undefined
v("identify",undefined,undefined,t)},optIn:()=>{G="yes"
if(eo!=="strict")A("consent",G)
v("consent","given",{analytics:!0})},optOut:()=>{v("consent","withdrawn",{analytics:!1})
eN()
G="no"
H.clear()
p(()=>N("").forEach(e=>localStorage.removeItem(e)))()
A("consent",G)
es("session",sessionStorage)},flush:()=>em().then(W),},e$=(window.shockmouse={version:ej})
for(let e in e_)
e$[e]=p((...t)=>(h?e_[e](...t):eq.push([e,...t])))
let te=()=>{let e={"#shockmouse-ignore":"no","#shockmouse-count":"yes"}[location.hash]
if(!e)return
e==="no"?A("consent",e):es("consent")
alert("Visits counted: "+(Q()==="no"?"no":"yes"))},O=()=>{te()
if(b.join!==undefined)tb()
ev()
eq.forEach?.(p(([d,...l])=>e$[d]?.(...l)))
J()
Z(history,"pushState",eb(I))
Z(history,"replaceState",eb("path"))
m("popstate hashchange",eb(I))
m("hashchange",te)
m("focus blur",J)
m("scroll",eQ)
m("online",()=>setTimeout(W,Math.random()*1000))
m("click auxclick",tp)
let n=()=>{tf()
eP()
eN()}
m("visibilitychange",()=>{J()
if(document.hidden)n()})
m("pagehide",()=>{for(let t of k.keys())X(t,"abandon")
n()})
m("pageshow",({persisted:u,timeStamp:ty})=>{if(!u)return
ev("",!0)
J()
if(y("vitals"))eX(ty)})
if(y("vitals"))tg()
if(y("forms")){m("input change",th)
m("submit",({target:tk})=>X(tk,"submit"))
Z(HTMLFormElement.prototype,"submit",t=>k.has(t)&&X(t,"submit"))}
if(y("errors")){let a=new Set(),o=(e,r,s,tx)=>{let{size:c}=a
e=j(e,500).replace(/".*"/,'""')
if(c<20&&a.add(e+r+s).size>c)
v("error",e,{message:e,file:r,line:s,column:tx})}
m("error",({message:e,filename:tw,lineno:tq,colno:tj})=>e&&o(e,tw?.split("?")[0],tq,tj))
m("unhandledrejection",({reason:tz})=>o(tz?.message||"unhandled rejection"))}
W()},tt=()=>document.readyState==="loading"?m("DOMContentLoaded",O):p(O)()
document.prerendering?m("prerenderingchange",tt):tt()})()
